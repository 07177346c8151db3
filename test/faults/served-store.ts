import { nodeId, organisationId, zoneId } from '../../src/domain/identifiers.js';
import type { EmbeddedStores } from '../../src/stores/embedded/open-embedded-stores.js';
import { batchOf } from '../contract/analytics-spool.suite.js';
import { definition } from '../contract/catalog-copy.suite.js';
import { keyChange } from '../contract/change-log.suite.js';

export const orgA = organisationId('org-a');
const orgB = organisationId('org-b');

/** All that a store was given, to be compared with what it gives. */
export interface Truth {
  readonly keys: ReadonlyMap<string, string>;
  /** Keys of the entries, by organisation; the first has sequence 1. */
  readonly entries: ReadonlyMap<typeof orgA, readonly string[]>;
  readonly cursors: ReadonlySet<string>;
  readonly batches: ReadonlySet<string>;
  readonly definitions: ReadonlySet<string>;
  readonly epoch: string;
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A hub that has served: some of all, some of it removed and written over. */
export async function fillStore(stores: EmbeddedStores): Promise<Truth> {
  const keys = new Map<string, string>();
  for (const round of [0, 1]) {
    await Promise.all(
      numbers(240).map((index) => {
        const name = `apikey-org-a-${String(index * 7919).padStart(8, '0')}`;
        const size = index % 40 === 0 ? 9_000 : 150 + (index % 300);
        const value = JSON.stringify({ round, index, filling: 'f'.repeat(size) });
        keys.set(name, value);
        return stores.keyStore.put(name, Buffer.from(value), index % 3 === 0 ? 1e9 : undefined);
      }),
    );
  }
  const removed = [...keys.keys()].filter((_, index) => index % 9 === 0);
  await stores.keyStore.remove(removed);
  for (const name of removed) keys.delete(name);

  const entries = new Map<typeof orgA, string[]>([
    [orgA, numbers(120).map((index) => `key-a-${index}`)],
    [orgB, numbers(30).map((index) => `key-b-${index}`)],
  ]);
  for (const [organisation, names] of entries) {
    await stores.changeLog.append(names.map((name) => keyChange(name, organisation)));
  }
  const cursors = new Set<string>();
  for (const index of numbers(30)) {
    const owner = { organisation: orgA, zone: zoneId(`z${index % 4}`), node: nodeId(`n${index}`) };
    await stores.changeLog.moveCursorDurably({ ...owner, sequence: index, atMs: 1 });
    cursors.add(JSON.stringify([owner.zone, owner.node, index]));
  }
  const batches = new Set<string>();
  for (const index of numbers(12)) {
    const payload = JSON.stringify([{ host: `host-${index}`, filling: 'p'.repeat(index * 4_000) }]);
    batches.add(payload);
    const identity = { organisation: orgA, node: nodeId('n'), batchId: `b${index}` };
    await stores.spool.append(batchOf(payload), identity);
  }
  const definitions = numbers(25).map((index) =>
    definition(`api-${index}`, { body: `{"x":"${'d'.repeat(index * 90)}"}` }),
  );
  await stores.catalogCopy.writeDefinitions(definitions, []);
  await stores.catalogCopy.writePeople([{ id: orgA, name: 'A', hybridEnabled: true }], []);
  return {
    ...{ keys, entries, cursors, batches },
    definitions: new Set(definitions.map((one) => one.body.toString())),
    epoch: stores.changeLog.epoch,
  };
}

/** `wrong`: given out, and not what was written; must be none. `missing`: not given out. */
export class Comparison {
  readonly wrong: string[] = [];
  readonly missing: string[] = [];

  /** What is missing must be told as what it is, wherever "not there" would mean something. */
  lose(what: string, told: string, expected: string): void {
    this.missing.push(what);
    if (told !== expected) this.wrong.push(`${what}: ${told}`);
  }
}

export async function compareStore(stores: EmbeddedStores, truth: Truth): Promise<Comparison> {
  const comparison = new Comparison();
  await compareKeys(stores, truth, comparison);
  await compareLog(stores, truth, comparison);
  await compareSpool(stores, truth, comparison);
  await compareCatalog(stores, truth, comparison);
  return comparison;
}

async function compareKeys(
  { keyStore }: EmbeddedStores,
  truth: Truth,
  comparison: Comparison,
): Promise<void> {
  for (const [name, value] of truth.keys) {
    const [found] = await keyStore.getMany([name]).catch((thrown: unknown) => [codeOf(thrown)]);
    if (typeof found === 'string') comparison.lose(name, found, 'STORE_ITEM_UNREADABLE');
    else if (found?.value.toString() !== value) {
      comparison.wrong.push(`${name}: ${found?.value.toString() ?? 'not found'}`);
    }
  }
  for await (const page of keyStore.scan('apikey-', 100)) {
    for (const name of page) {
      if (!truth.keys.has(name)) comparison.wrong.push(`a key that was never there: ${name}`);
    }
  }
}

async function compareLog(
  { changeLog }: EmbeddedStores,
  truth: Truth,
  comparison: Comparison,
): Promise<void> {
  const isSameLog = changeLog.epoch === truth.epoch;
  if (!isSameLog) comparison.missing.push('the log');
  for (const [organisation, names] of truth.entries) {
    for (let after = 0; isSameLog && after < names.length; ) {
      const read = await changeLog.read(organisation, after, 50).catch((thrown: unknown) => codeOf(thrown));
      if (typeof read === 'string') {
        comparison.lose(`entry ${after + 1} of ${organisation}`, read, 'CHANGE_LOG_TRIMMED');
        after += 1;
        continue;
      }
      if (read.length === 0) comparison.wrong.push(`the log of ${organisation} ends at ${after}`);
      for (const { sequence, body } of read) {
        const key = body.type === 'key' && 'key' in body.event ? body.event.key : '';
        if (key !== names[sequence - 1]) comparison.wrong.push(`entry ${sequence}: ${key}`);
      }
      after = read.at(-1)?.sequence ?? names.length;
    }
  }
  const cursors = await changeLog.cursors();
  for (const { zone, node, sequence } of cursors) {
    if (truth.cursors.has(JSON.stringify([zone, node, sequence]))) continue;
    comparison.wrong.push(`cursor ${node} at ${sequence}`);
  }
  if (cursors.length < truth.cursors.size) {
    comparison.lose('cursors', isSameLog ? 'silence' : 'a new log', 'a new log');
  }
}

async function compareSpool({ spool }: EmbeddedStores, truth: Truth, comparison: Comparison): Promise<void> {
  const batches = await spool.peek(1_000);
  const full = batches.filter(({ payload }) => payload.length > 0);
  for (const { payload } of full) {
    if (!truth.batches.has(payload.toString())) comparison.wrong.push('a batch that is none');
  }
  const { batches: counted } = await spool.size();
  if (counted < batches.length) comparison.wrong.push(`the spool counts ${counted} of ${batches.length}`);
  if (full.length < truth.batches.size) comparison.missing.push('batches');
}

async function compareCatalog(
  { catalogCopy }: EmbeddedStores,
  truth: Truth,
  comparison: Comparison,
): Promise<void> {
  const saved = await catalogCopy.read();
  if (saved === undefined) comparison.wrong.push('the catalog is taken for one that was never there');
  const bodies = saved?.definitions.map((one) => one.body.toString()) ?? [];
  if (bodies.some((body) => !truth.definitions.has(body))) comparison.wrong.push('a definition that is none');
  // A part of a catalog would tell workers to remove the rest.
  if (bodies.length < truth.definitions.size) {
    comparison.lose('definitions', bodies.length === 0 ? 'none' : 'a part', 'none');
  }
}

function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown
    ? String(thrown.code)
    : String(thrown);
}
