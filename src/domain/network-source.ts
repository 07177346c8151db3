/**
 * Where an attempt comes from, in the two sizes that are counted: the host, and the network around it that one
 * person can easily have addresses in.
 *
 *   IPv4   host: the address        network: its /24
 *   IPv6   host: its /64            network: its /48
 *
 * Over IPv6 a single machine has a whole /64 of addresses to choose from, so the address itself says nothing.
 */
export interface NetworkSource {
  readonly host: string;
  readonly network: string;
}

const groupsOfAddress = 8;

/** Anything that is no address is a host and a network of its own. */
export function networkSourceOf(address: string): NetworkSource {
  const plain = plainAddress(address);
  const parts = plain.split('.');
  if (parts.length === 4 && !plain.includes(':')) {
    return { host: plain, network: `${parts.slice(0, 3).join('.')}.0/24` };
  }
  const groups = groupsOf(plain);
  if (groups === undefined) return { host: plain, network: plain };
  return { host: `${groups.slice(0, 4).join(':')}::/64`, network: `${groups.slice(0, 3).join(':')}::/48` };
}

/** `::ffff:10.0.0.1`, as a dual-stack socket spells it, is `10.0.0.1` to everybody else. */
export function plainAddress(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The eight groups in their shortest spelling; undefined: no IPv6 address. */
function groupsOf(address: string): readonly string[] | undefined {
  const [head = '', tail, ...rest] = address.replace(/%.*$/, '').split('::');
  if (!address.includes(':') || rest.length > 0) return undefined;
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  // A last group in dotted form stands for two.
  const missing = groupsOfAddress - front.length - back.length - (address.includes('.') ? 1 : 0);
  if (tail === undefined ? missing !== 0 : missing < 0) return undefined;
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back];
  return groups.map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
}
