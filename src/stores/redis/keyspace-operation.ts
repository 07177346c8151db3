import { organisationId } from '../../domain/identifiers.js';
import type { ControlPlaneSignal } from '../../ports/control-plane-signals.js';

/** Where the dashboard tells what it did to keys. */
export const operationChannel = 'tyk.cluster.keyspace.ops';

const valuesMax = 500;

/**
 * One message of the channel. Its JSON is not public: known are event names such as `hashed_key_event.update`
 * and an object with `Key`, `Org` and `hashed`. So both are looked for anywhere and in any case, and what
 * cannot be read is undefined; nothing depends on this source alone. Source: worker-rpc reference, 6.5.
 */
export function readKeyspaceOperation(text: string): ControlPlaneSignal | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined;
  }
  let name: RegExpExecArray | null = null;
  let subject: Readonly<Record<string, unknown>> | undefined;
  let seen = 0;
  const waiting: unknown[] = [message];
  for (let one = waiting.shift(); one !== undefined && seen < valuesMax; one = waiting.shift()) {
    seen += 1;
    if (typeof one === 'string') name ??= /^(hashed_)?key_?event\.([a-z_]+)$/i.exec(one);
    if (typeof one !== 'object' || one === null) continue;
    const members = Object.fromEntries(
      Object.entries(one).map(([member, value]) => [member.toLowerCase(), value as unknown]),
    );
    if (typeof members['key'] === 'string') subject ??= members;
    waiting.push(...Object.values(one));
  }
  const key = subject?.['key'];
  if (name === null || typeof key !== 'string' || key === '') return undefined;
  const owner = subject?.['org'] ?? subject?.['org_id'] ?? subject?.['orgid'];
  const mark = subject?.['hashed'];
  const hashed = name[1] !== undefined || mark === true || mark === 1 || mark === '1' || mark === 'true';
  const gone = /^(?:delet|remov|revok)/i.test(name[2] ?? '');
  return {
    type: 'key',
    event: { kind: gone ? 'key-removed' : 'key-changed', key, hashed },
    organisation: typeof owner === 'string' && owner !== '' ? organisationId(owner) : undefined,
  };
}
