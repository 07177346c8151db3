import { limits } from '../../domain/limits.js';
import type { WorkerIdentity } from '../../domain/worker.js';
import { CausewayError } from '../../errors/causeway-error.js';
import type { UnsentOfConnection } from '../../hub/shares/unsent-answers.js';
import type { StoredValue } from '../../ports/key-store.js';
import { yieldTurn } from '../../std/yield-turn.js';
import type { BridgeHub } from './bridge-hub.js';
import type { Admission } from './call-gate.js';
import { messageCodec } from './contract.js';
import type { StoredKeyMessage } from './messages.js';
import { readGetKeysRequest } from './read-requests.js';

const response = messageCodec('GetKeysResponse');

/** More than so many bytes are encoded in a turn of their own. */
const turnBytes = 256 * 1024;

/** Names read together: together they take no more than twice the bound of an answer. */
const groupNames = 128;

/** The answer, encoded. What it takes is counted until it has left. */
export async function getKeys(
  hub: BridgeHub,
  request: Buffer,
  { caller: { identity }, intake, unsent }: Admission,
): Promise<Buffer> {
  const { names, partial } = readGetKeysRequest(request);
  intake.done();
  if (names.length === 0) throw new CausewayError('REQUEST_INVALID', 'names: is empty');
  const room = new AnswerRoom(unsent);
  try {
    await room.grow(Math.min(limits.keysAnswerBytesMax, names.length * limits.modestValueBytesMax));
    const answer = new KeysAnswer(names);
    for (let start = 0; start < names.length && !answer.full; start += groupNames) {
      const group = names.slice(start, start + groupNames);
      const values = await readGroup(hub, identity, group, partial);
      for (const [index, stored] of values.entries()) {
        if (stored === 'unreadable') answer.putUnreadable(start + index);
        else if (stored?.oversize === undefined) answer.put(start + index, stored);
        else if (answer.hasRoom(stored.oversize)) {
          const name = group[index] as string;
          await room.grow(answer.bytes + stored.oversize);
          // A store in this process answers without a pause.
          await yieldTurn();
          const [whole] = await hub.readKeys(identity, [name], limits.storedValueBytesMax);
          answer.put(start + index, whole);
        } else answer.full = true;
        if (answer.full) break;
      }
    }
    if (answer.full && !partial) {
      throw new CausewayError(
        'LIMIT_EXCEEDED',
        `names: their values are more than keysAnswerBytesMax (${limits.keysAnswerBytesMax}) in one answer; ask for fewer`,
      );
    }
    if (answer.bytes > turnBytes) await yieldTurn();
    const bytes = answer.encode();
    room.becomes(bytes.length);
    return bytes;
  } catch (thrown) {
    room.becomes(0);
    throw thrown;
  }
}

/** One by one when one of them is damaged: the others are answered. */
async function readGroup(
  hub: BridgeHub,
  identity: WorkerIdentity,
  names: readonly string[],
  partial: boolean,
): Promise<readonly (StoredValue | 'unreadable' | undefined)[]> {
  try {
    return await hub.readKeys(identity, names, limits.modestValueBytesMax);
  } catch (error) {
    if (!partial || !isUnreadable(error)) throw error;
    if (names.length === 1) return ['unreadable'];
    const values: (StoredValue | 'unreadable' | undefined)[] = [];
    for (const name of names) values.push(...(await readGroup(hub, identity, [name], partial)));
    return values;
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof CausewayError && error.code === 'STORE_ITEM_UNREADABLE';
}

/** Gathers values until one does not fit; all from that one on are deferred. */
class KeysAnswer {
  bytes = 0;
  full = false;
  readonly #names: readonly string[];
  readonly #keys: StoredKeyMessage[] = [];

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** The first value always has: it is bounded itself, and a worker has to get on. */
  hasRoom(bytes: number): boolean {
    return this.bytes === 0 || this.bytes + bytes <= limits.keysAnswerBytesMax;
  }

  put(index: number, stored: StoredValue | undefined): void {
    const bytes = stored?.value.length ?? 0;
    if (!this.hasRoom(bytes)) {
      this.full = true;
      return;
    }
    this.bytes += bytes;
    this.#keys.push(storedKey(this.#names[index] as string, stored));
  }

  putUnreadable(index: number): void {
    this.#keys.push({ name: this.#names[index] as string, found: false, value: noBytes, unreadable: true });
  }

  encode(): Buffer {
    const deferred = this.#names.slice(this.#keys.length).map((name): StoredKeyMessage => {
      return { name, found: false, value: noBytes, deferred: true };
    });
    return response.write({ keys: [...this.#keys, ...deferred] });
  }
}

/** What an answer takes of the room for unsent ones. */
class AnswerRoom {
  readonly #unsent: UnsentOfConnection;
  #bytes = 0;

  constructor(unsent: UnsentOfConnection) {
    this.#unsent = unsent;
  }

  /** Waits for room. It lets go first: calls that keep a part of what they need would stop each other. */
  async grow(bytes: number): Promise<void> {
    if (bytes <= this.#bytes) return;
    this.becomes(0);
    if (!(await this.#unsent.reserve(bytes))) {
      throw new CausewayError('SHUTTING_DOWN', 'the connection has ended');
    }
    this.#bytes = bytes;
  }

  becomes(bytes: number): void {
    this.#unsent.giveBack(this.#bytes);
    this.#unsent.add(bytes);
    this.#bytes = bytes;
  }
}

const noBytes = Buffer.alloc(0);

function storedKey(name: string, stored: StoredValue | undefined): StoredKeyMessage {
  if (stored === undefined) return { name, found: false, value: noBytes };
  const { value, remainingTtlMs } = stored;
  return remainingTtlMs === undefined
    ? { name, found: true, value }
    : { name, found: true, value, remainingTtlMs };
}
