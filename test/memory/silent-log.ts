import type { Log, LogFields } from '../../src/ports/log.js';

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

/** Keeps every line, for tests on what is said and on what must never be. */
export class RecordingLog implements Log {
  readonly lines: LogLine[];
  readonly #fields: LogFields;

  constructor(lines: LogLine[] = [], fields: LogFields = {}) {
    this.lines = lines;
    this.#fields = fields;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#keep('debug', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#keep('info', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#keep('warn', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#keep('error', message, fields);
  }

  child(fields: LogFields): Log {
    return new RecordingLog(this.lines, { ...this.#fields, ...fields });
  }

  #keep(level: LogLine['level'], message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields: { ...this.#fields, ...fields } });
  }
}
