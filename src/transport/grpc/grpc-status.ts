import { status } from '@grpc/grpc-js';
import type { ErrorKind } from '../../errors/catalogue.js';
import { toCausewayError } from '../../errors/causeway-error.js';

const statusOfKind = {
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  'not-found': status.NOT_FOUND,
  conflict: status.ABORTED,
  limit: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  internal: status.INTERNAL,
} as const satisfies Record<ErrorKind, status>;

/** What was thrown, as a gRPC error: public message only. */
export function toGrpcError(thrown: unknown): { code: status; details: string; message: string } {
  const error = toCausewayError(thrown);
  return { code: statusOfKind[error.entry.kind], details: error.message, message: error.message };
}
