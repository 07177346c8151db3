import { Cluster, Command } from 'ioredis';
import type { StoredValue } from '../../ports/key-store.js';
import type { RedisClient } from './create-client.js';

interface Request {
  readonly names: readonly string[];
  readonly ttl: boolean;
  readonly resolve: (values: readonly (StoredValue | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Names in one command: beyond it the server would be busy with one command for too long. */
const namesPerCommandMax = 500;

/**
 * Reads that are asked for in one turn of the event loop go out together: one MGET costs a tenth of as many
 * single reads. The life of a value costs a PTTL of its own, so it is asked for only where it is wanted.
 *
 * A Cluster answers an MGET only when all names are in one slot, so there each name is a GET. The driver's
 * own pipelining of those was tried and left: it was no faster, and it does not follow slots that moved.
 */
export class ReadBatches {
  readonly #run: <Result>(call: (client: RedisClient) => Promise<Result>) => Promise<Result>;
  readonly #separate: boolean;
  #waiting: Request[] = [];

  /** `separate`: a Cluster, where one part may fail and the others must not fail with it. */
  constructor(
    run: <Result>(call: (client: RedisClient) => Promise<Result>) => Promise<Result>,
    separate: boolean,
  ) {
    this.#run = run;
    this.#separate = separate;
  }

  read(names: readonly string[], ttl: boolean): Promise<readonly (StoredValue | undefined)[]> {
    return new Promise((resolve, reject) => {
      if (this.#separate) this.#send([{ names, ttl, resolve, reject }], ttl);
      else if (this.#waiting.push({ names, ttl, resolve, reject }) === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const ttl of [false, true]) {
      let batch: Request[] = [];
      let count = 0;
      for (const request of waiting) {
        if (request.ttl !== ttl) continue;
        batch.push(request);
        count += request.names.length;
        if (count < namesPerCommandMax) continue;
        this.#send(batch, ttl);
        batch = [];
        count = 0;
      }
      if (batch.length > 0) this.#send(batch, ttl);
    }
  }

  #send(batch: readonly Request[], ttl: boolean): void {
    const names = batch.flatMap((request) => request.names);
    this.#run((client) =>
      client instanceof Cluster ? readEach(client, names, ttl) : readTogether(client, names, ttl),
    ).then(
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
