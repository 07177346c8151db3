import { isatty } from 'node:tty';
import { type Level, type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { CausewayError } from '../errors/causeway-error.js';
import type { Log, LogFields } from '../ports/log.js';
import { maskUrlPasswords, redactedText, secretPaths } from './log-secrets.js';
import { StandardStream } from './standard-stream.js';

export interface PinoLogOptions {
  /** The option `log_level`, in any case: debug, info, warn, error; also trace, warning, fatal, panic. */
  readonly level: string;
  /** A service logs to standard output; a command whose output is data logs to standard error. */
  readonly destination: 'stdout' | 'stderr' | LogDestination;
  /** Lines for people instead of JSON. Default: when the destination is a terminal. */
  readonly pretty?: boolean;
}

/** Takes one line at a time, each with its newline. */
export interface LogDestination {
  write(line: string): void;
}

const levelBySpelling: Readonly<Record<string, Level>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'fatal',
  panic: 'fatal',
};

/** Throws CONFIG_INVALID for an unknown level. Lines are written before the call returns. */
export function createPinoLog(options: PinoLogOptions): Log {
  const level = levelBySpelling[options.level.trim().toLowerCase() || 'info'];
  if (level === undefined) {
    throw new CausewayError(
      'CONFIG_INVALID',
      `log_level: '${options.level}' is not a level; use debug, info, warn or error`,
    );
  }
  const { destination, terminal } = openDestination(options.destination);
  const sink = (options.pretty ?? terminal) ? prettyDestination(destination, terminal) : destination;
  return new PinoLog(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }), log: maskFields },
        serializers: { error: describeThrown, err: describeThrown },
        redact: { paths: [...secretPaths], censor: redactedText },
      },
      sink,
    ),
  );
}

class PinoLog implements Log {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  child(fields: LogFields): Log {
    return new PinoLog(this.#logger.child(maskFields(fields)));
  }

  #write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields | undefined): void {
    if (!this.#logger.isLevelEnabled(level)) return;
    const text = maskUrlPasswords(message);
    if (fields === undefined) this.#logger[level](text);
    else this.#logger[level](fields, text);
  }
}

function openDestination(destination: PinoLogOptions['destination']): {
  destination: LogDestination;
  terminal: boolean;
} {
  if (typeof destination !== 'string') return { destination, terminal: false };
  const fd = destination === 'stdout' ? 1 : 2;
  return { destination: new StandardStream(fd), terminal: isatty(fd) };
}

/** In process and synchronous; pino's own transport would cost a worker thread and lose lines at exit. */
function prettyDestination(destination: LogDestination, colorize: boolean): LogDestination {
  const prettify = prettyFactory({
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return { write: (line) => destination.write(prettify(line)) };
}

function maskFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const masked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    masked[name] = typeof value === 'string' ? maskUrlPasswords(value) : value;
  }
  return masked;
}

/** Expected trouble is told by its code; only a defect is worth its stack. */
function describeThrown(thrown: unknown): unknown {
  if (thrown instanceof CausewayError) {
    return {
      code: thrown.code,
      message: maskUrlPasswords(thrown.message),
      ...(thrown.detail === undefined ? {} : { detail: maskUrlPasswords(thrown.detail) }),
    };
  }
  if (thrown instanceof Error) {
    return {
      type: thrown.name,
      message: maskUrlPasswords(thrown.message),
      stack: maskUrlPasswords(thrown.stack ?? ''),
    };
  }
  return typeof thrown === 'string' ? maskUrlPasswords(thrown) : thrown;
}
