import type { GatewaySession } from '../../../hub/zones/gateway-session.js';
import type { LoginRefusals } from '../../../hub/zones/login-refusals.js';
import type { Clock } from '../../../ports/clock.js';
import type { Log } from '../../../ports/log.js';
import type { Metrics } from '../../../ports/metrics.js';
import type { Complaints } from '../complaints.js';
import type { GorpcCall } from '../gorpc-call.js';
import type { GorpcConnection } from '../gorpc-connection.js';
import type { GorpcHub } from '../gorpc-hub.js';

/** What methods work with. */
export interface MethodContext {
  readonly hub: GorpcHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly complaints: Complaints;
  readonly refusals: LoginRefusals;
  /** How long "has something changed?" is held. */
  readonly pollHoldMs: number;
  readonly onLoggedIn: (session: GatewaySession) => void;
  /** A connection makes a call that can only be a mistake or an attack. */
  readonly onBadCall: (connection: GorpcConnection) => void;
}

/**
 * Whether an organisation that a worker names is its own. Another one gets an error, never a refusal: a
 * worker that is refused would log in and ask again without end.
 */
export function isOwnOrganisation(
  call: GorpcCall,
  named: string,
  { complaints, onBadCall }: MethodContext,
): boolean {
  const { organisation } = call.login.identity;
  if (named === organisation) return true;
  complaints.warn('a worker asks for what belongs to another organisation; it gets an error', {
    ...call.connection.peer,
    method: call.method.name,
    organisation,
    asked: named.slice(0, 64),
    session: call.session.shown,
  });
  onBadCall(call.connection);
  return false;
}
