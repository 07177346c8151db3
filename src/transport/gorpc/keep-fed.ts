import { describeError } from '../../errors/causeway-error.js';
import type { GatewayLogin, GatewaySession } from '../../hub/zones/gateway-session.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import type { GorpcHub } from './gorpc-hub.js';

/** A store that does not answer must not keep a worker out: the next call tries again. */
const openMaxMs = 1_000;

/**
 * Has key events kept for a worker from now on. Never rejects: not to serve a worker would be worse than to
 * serve it late news.
 */
export async function keepFed(
  { hub, clock, log }: { readonly hub: GorpcHub; readonly clock: Clock; readonly log: Log },
  session: GatewaySession,
  login: GatewayLogin,
): Promise<void> {
  const member = session.feedMember(login);
  let timer: Timer | undefined;
  const opened = hub.feeds.open(member).then(
    () => session.fedAs(member),
    (thrown: unknown) => {
      log.debug('key events are not kept for a worker yet', { reason: describeError(thrown) });
    },
  );
  const late = new Promise<void>((resolve) => {
    timer = clock.after(openMaxMs, resolve);
  });
  await Promise.race([opened, late]);
  timer?.cancel();
}
