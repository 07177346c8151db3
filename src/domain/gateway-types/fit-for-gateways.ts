import { applyEdits, type JsonEdit, rootOf } from '../json-members.js';
import { GatewayTextWalk } from './gateway-text-walk.js';
import { type GatewayRoot, gatewayRoots, structureType } from './gateway-type.js';

/** The text as it may leave for gateways, or the first thing that they would refuse it for. */
export type Fitting =
  | { readonly text: Buffer; readonly problem?: undefined }
  /** `proxy.listen_path: expected string, received number`. Repeats no value. */
  | { readonly text?: undefined; readonly problem: string };

/**
 * Whether a gateway can decode what leaves for it, told from the very bytes.
 *
 * A gateway decodes a list of definitions in one go, into structures of Go: one value of another type in one of them
 * and it refuses the whole list, and with it every other edit. Checking what a parser of our own makes of the text
 * does not do: it takes `60.0` for 60, and rounds what has more than 53 bits. So the bytes are walked once, beside
 * the table of the gateway's structures, and each value is looked at as it is written.
 *
 * A whole number in another spelling is respelt, with the same value; every other byte stays. What the table does not
 * know passes: a newer gateway may. No stricter than the reader: names match in any case, null goes anywhere, of
 * repeated members each is decoded, numbers too large for 64 bits are refused only where they are read.
 *
 * `text` is one JSON object, valid (parse it first). Not UTF-8 is no trouble: readers replace what they cannot read.
 */
export function fitForGateways(root: GatewayRoot, text: Buffer): Fitting {
  const { structure, depth } = gatewayRoots[root];
  const edits: JsonEdit[] = [];
  const problem = new GatewayTextWalk(text, edits, depth).walk(rootOf(text).start, structureType(structure));
  return problem === undefined ? { text: applyEdits(text, edits) } : { problem };
}
