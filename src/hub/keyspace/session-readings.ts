import { LRUCache } from 'lru-cache';
import { fitForGateways } from '../../domain/gateway-types/fit-for-gateways.js';
import type { OrganisationId } from '../../domain/identifiers.js';
import { sessionPrefix } from '../../domain/key-names.js';
import { limits } from '../../domain/limits.js';
import { ownerOfSession } from './session-owner.js';

/** Larger sessions are read each time: bounded entries are to mean bounded memory. */
const rememberedBytesMax = 4_096;

/** What a stored session is to a worker. */
export interface SessionReading {
  /** As `ownerOfSession`. */
  readonly owner: OrganisationId | undefined;
  /** The session as gateways can decode it, where that is another text than the stored one. */
  readonly respelt: Buffer | undefined;
  /** What no gateway could decode it for; undefined: nothing. */
  readonly problem: string | undefined;
}

/**
 * What sessions are, without reading again what is the same as before. To parse one is a quarter of all that
 * a read of it costs the hub; to compare its bytes is next to nothing. Never wrong: it answers for the value
 * that is asked about, not for the name.
 */
export class SessionReadings {
  readonly #known: LRUCache<string, { readonly value: Buffer; readonly reading: SessionReading }>;

  constructor(entriesMax: number = limits.sessionOwnersMax) {
    this.#known = new LRUCache({ max: entriesMax });
  }

  get size(): number {
    return this.#known.size;
  }

  /** `name` is that of the key store, with its prefix. */
  read(name: string, value: Buffer): SessionReading {
    const known = this.#known.peek(name);
    if (known?.value.equals(value)) return known.reading;
    const reading = readSession(name, value);
    // A copy: a store may hand out a piece of a large block, which would be kept with it.
    if (value.length <= rememberedBytesMax) this.#known.set(name, { value: Buffer.from(value), reading });
    return reading;
  }
}

function readSession(name: string, value: Buffer): SessionReading {
  const owner = ownerOfSession(name.slice(sessionPrefix.length), value);
  // Whoever has an owner is an object.
  if (owner === undefined && !isJsonObject(value)) {
    return { owner, respelt: undefined, problem: 'not a JSON object' };
  }
  const { text, problem } = fitForGateways('session', value);
  return { owner, respelt: text === value ? undefined : text, problem };
}

function isJsonObject(value: Buffer): boolean {
  try {
    const session: unknown = JSON.parse(value.toString('utf8'));
    return typeof session === 'object' && session !== null && !Array.isArray(session);
  } catch {
    return false;
  }
}
