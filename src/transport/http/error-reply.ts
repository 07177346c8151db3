import type { FastifyReply } from 'fastify';
import type { ErrorKind } from '../../errors/catalogue.js';
import { CausewayError, toCausewayError } from '../../errors/causeway-error.js';
import type { Log } from '../../ports/log.js';

const statusByKind = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  limit: 429,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<ErrorKind, number>;

const payloadTooLarge = 413;

/** Answers `{"error": message, "code": code}` and logs at the level of the catalogue. */
export function sendError(reply: FastifyReply, thrown: unknown, log: Log): FastifyReply {
  const status = clientErrorStatus(thrown);
  const error = status === undefined ? toCausewayError(thrown) : requestError(thrown as Error, status);
  log[error.entry.log]('HTTP request failed', {
    route: reply.request.routeOptions.url,
    code: error.code,
    reason: error.message,
    detail: error.detail,
  });
  return reply
    .code(status ?? statusByKind[error.entry.kind])
    .send({ error: error.message, code: error.code });
}

/** Fastify's own complaints about a request carry a 4xx status. */
function clientErrorStatus(thrown: unknown): number | undefined {
  if (thrown instanceof CausewayError || !(thrown instanceof Error) || !('statusCode' in thrown)) {
    return undefined;
  }
  const status = Number(thrown.statusCode);
  return status >= 400 && status < 500 ? status : undefined;
}

function requestError(thrown: Error, status: number): CausewayError {
  return new CausewayError(status === payloadTooLarge ? 'LIMIT_EXCEEDED' : 'REQUEST_INVALID', thrown.message);
}
