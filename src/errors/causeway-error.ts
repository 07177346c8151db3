import { type ErrorCode, type ErrorEntry, errorCatalogue } from './catalogue.js';

/**
 * Expected trouble. `message` is public: it may reach a worker, an HTTP client or a terminal, and so
 * carries no secret. `detail` is private: it is logged and never sent.
 */
export class CausewayError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CausewayError';
    this.code = code;
    this.detail = options.detail;
  }

  get entry(): ErrorEntry {
    return errorCatalogue[this.code];
  }
}

/** What was thrown, as one line of text for a log. */
export function describeError(thrown: unknown): string {
  if (thrown instanceof CausewayError && thrown.detail !== undefined) {
    return `${thrown.message} (${thrown.detail})`;
  }
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Expected trouble as it is; anything else becomes INTERNAL with its text kept private. */
export function toCausewayError(thrown: unknown): CausewayError {
  if (thrown instanceof CausewayError) return thrown;
  return new CausewayError('INTERNAL', 'internal error', { detail: describeError(thrown), cause: thrown });
}
