import { Cluster, Command } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { limits } from '../../domain/limits.js';
import type { StoredValue } from '../../ports/key-store.js';
import type { RedisClient } from './create-client.js';

interface Request {
  readonly names: readonly string[];
  readonly ttl: boolean;
  readonly valueBytesMax: number;
  readonly resolve: (values: readonly (StoredValue | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Names in one command: beyond it the server would be busy with one command for too long. */
const namesPerCommandMax = 500;
/** Names whose values were seen to be of a modest size: asking for it first would double the way. */
const modestNamesMax = 100_000;

/**
 * Reads that are asked for in one turn of the event loop go out together: one MGET costs a tenth of as many
 * single reads. The life of a value costs a PTTL of its own, so it is asked for only where it is wanted.
 *
 * A value may be half a gigabyte, and the driver hands it over whole. So a name that is not known for a modest
 * value is asked for its size first, and a large one is read alone, or not at all.
 *
 * A Cluster answers an MGET only when all names are in one slot, so there each name is a GET. The driver's
 * own pipelining of those was tried and left: it was no faster, and it does not follow slots that moved.
 */
export class ReadBatches {
  readonly #run: <Result>(call: (client: RedisClient) => Promise<Result>) => Promise<Result>;
  readonly #separate: boolean;
  readonly #modest = new LRUCache<string, true>({ max: modestNamesMax });
  #waiting: Request[] = [];

  /** `separate`: a Cluster, where one part may fail and the others must not fail with it. */
  constructor(
    run: <Result>(call: (client: RedisClient) => Promise<Result>) => Promise<Result>,
    separate: boolean,
  ) {
    this.#run = run;
    this.#separate = separate;
  }

  read(
    names: readonly string[],
    ttl: boolean,
    valueBytesMax: number,
  ): Promise<readonly (StoredValue | undefined)[]> {
    return new Promise((resolve, reject) => {
      const request = { names, ttl, valueBytesMax, resolve, reject };
      if (this.#separate) this.#send([request]);
      else if (this.#waiting.push(request) === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const groups = new Map<number, Request[]>();
    for (const request of this.#waiting) {
      const key = request.ttl ? request.valueBytesMax : -request.valueBytesMax;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [request]);
      else group.push(request);
    }
    this.#waiting = [];
    for (const group of groups.values()) {
      let batch: Request[] = [];
      let count = 0;
      for (const request of group) {
        batch.push(request);
        count += request.names.length;
        if (count < namesPerCommandMax) continue;
        this.#send(batch);
        batch = [];
        count = 0;
      }
      if (batch.length > 0) this.#send(batch);
    }
  }

  #send(batch: readonly Request[]): void {
    const names = batch.flatMap((request) => request.names);
    const { ttl, valueBytesMax } = batch[0] as Request;
    this.#run((client) => this.#readBounded(client, names, ttl, valueBytesMax)).then(
      (values) => {
        let start = 0;
        for (const request of batch) {
          const end = start + request.names.length;
          request.resolve(values.slice(start, end));
          start = end;
        }
      },
      (error: unknown) => {
        for (const request of batch) request.reject(error);
      },
    );
  }

  async #readBounded(
    client: RedisClient,
    names: readonly string[],
    ttl: boolean,
    valueBytesMax: number,
  ): Promise<readonly (StoredValue | undefined)[]> {
    const unknown = names.filter((name) => this.#modest.get(name) === undefined);
    const large = unknown.length === 0 ? noSizes : await largeValues(client, unknown);
    if (large.size === 0) return this.#readModest(client, names, ttl);
    const modest = names.filter((name) => !large.has(name));
    const values = modest.length === 0 ? [] : await this.#readModest(client, modest, ttl);
    const byName = new Map(modest.map((name, index) => [name, values[index]]));
    for (const [name, bytes] of large) {
      if (bytes > valueBytesMax) {
        byName.set(name, { value: noBytes, remainingTtlMs: undefined, oversize: bytes });
        continue;
      }
      // One at a time: together they are what each of them is not.
      const [value] = await read(client, [name], ttl);
      byName.set(name, value);
    }
    return names.map((name) => byName.get(name));
  }

  async #readModest(
    client: RedisClient,
    names: readonly string[],
    ttl: boolean,
  ): Promise<readonly (StoredValue | undefined)[]> {
    const values = await read(client, names, ttl);
    for (const [index, name] of names.entries()) {
      const value = values[index];
      // Of what is not there, nothing is known for the moment when it is.
      if (value === undefined || value.value.length > limits.modestValueBytesMax) this.#modest.delete(name);
      else this.#modest.set(name, true);
    }
    return values;
  }
}

const noBytes = Buffer.alloc(0);
const noSizes: ReadonlyMap<string, number> = new Map();

/** Sizes of those that are beyond `modestValueBytesMax`. */
async function largeValues(
  client: RedisClient,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const sizes =
    client instanceof Cluster
      ? await Promise.all(names.map((name) => client.strlen(name).catch(sizeUnknown)))
      : await pipelinedSizes(client, names);
  const large = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const bytes = sizes[index] ?? 0;
    if (bytes > limits.modestValueBytesMax) large.set(name, bytes);
  }
  return large;
}

async function pipelinedSizes(
  client: Exclude<RedisClient, Cluster>,
  names: readonly string[],
): Promise<readonly number[]> {
  const pipeline = client.pipeline();
  for (const name of names) pipeline.strlen(name);
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, size]) => (error === null ? (size as number) : sizeUnknown(error)));
}

/** A list or a set has no value to be too large; a user without the command reads without the check. */
function sizeUnknown(error: unknown): number {
  if (error instanceof Error && /^(WRONGTYPE|NOPERM)/.test(error.message)) return 0;
  throw error;
}

function read(
  client: RedisClient,
  names: readonly string[],
  ttl: boolean,
): Promise<readonly (StoredValue | undefined)[]> {
  return client instanceof Cluster ? readEach(client, names, ttl) : readTogether(client, names, ttl);
}

async function readTogether(
  client: Exclude<RedisClient, Cluster>,
  names: readonly string[],
  ttl: boolean,
): Promise<readonly (StoredValue | undefined)[]> {
  if (!ttl) return (await valuesOf(client, names)).map((value) => storedValue(value, undefined));
  const pipeline = client.pipeline();
  pipeline.mgetBuffer(...names);
  for (const name of names) pipeline.pttl(name);
  const [first, ...lives] = (await pipeline.exec()) ?? [];
  const values = resultOf<readonly (Buffer | null)[]>(first);
  return values.map((value, index) => {
    return storedValue(value, value === null ? undefined : resultOf<number>(lives[index]));
  });
}

/** Lean: the driver's own method copies and flattens its arguments. */
function valuesOf(
  client: Exclude<RedisClient, Cluster>,
  names: readonly string[],
): Promise<readonly (Buffer | null)[]> {
  const command = new Command('mget', [...names], { replyEncoding: null });
  return client.sendCommand(command) as Promise<readonly (Buffer | null)[]>;
}

async function readEach(
  client: Cluster,
  names: readonly string[],
  ttl: boolean,
): Promise<readonly (StoredValue | undefined)[]> {
  const values = names.map((name) => client.getBuffer(name).catch(absentIfOfAnotherType));
  if (!ttl) return (await Promise.all(values)).map((value) => storedValue(value, undefined));
  const lives = names.map((name) => client.pttl(name));
  const both = Promise.all([Promise.all(values), Promise.all(lives)]);
  const [allValues, allLives] = await both;
  return allValues.map((value, index) => storedValue(value, allLives[index]));
}

/** MGET gives nothing for a list or a set; GET is to do the same. */
function absentIfOfAnotherType(error: unknown): null {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return null;
  throw error;
}

/** `life`: as PTTL says it; -1: for ever, -2: gone since. */
function storedValue(value: Buffer | null, life: number | undefined): StoredValue | undefined {
  if (value === null || life === -2) return undefined;
  return { value, remainingTtlMs: life === undefined || life < 0 ? undefined : life };
}

function resultOf<Result>(reply: [error: Error | null, result: unknown] | undefined): Result {
  if (reply === undefined) throw new Error('the server gave too few replies');
  if (reply[0] !== null) throw reply[0];
  return reply[1] as Result;
}
