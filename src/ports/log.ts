export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log. No field may hold a secret; keys go through `Obfuscate` first. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Log;
}

/** Turns a key into what a log may show: all of it with `enable_key_logging`, else its last four characters. */
export type Obfuscate = (key: string) => string;
