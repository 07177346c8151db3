import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { hashAlgorithms, hashKey } from '../../../src/domain/key-hash.js';
import type { WorkerIdentity } from '../../../src/domain/worker.js';
import { Counters } from '../../../src/hub/keyspace/counters.js';
import { KeyReader } from '../../../src/hub/keyspace/key-reader.js';
import { KeyWriter } from '../../../src/hub/keyspace/key-writer.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';
import { memoryWrites } from '../../memory/memory-writes.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { silentLog } from '../../memory/silent-log.js';

/**
 * Nothing crosses from one organisation to another, whatever stands in the key space and whatever string a
 * worker asks for. Each value is made together with its owner, so the property does not repeat the rules.
 */
const organisations = ['5e9d9544a1dcd60001d0ed20', '5e9d9544a1dcd60001d0ed21', 'acme', 'acm'] as const;
const organisation = fc.constantFrom(...organisations);
const identity = (id: string): WorkerIdentity => ({
  organisation: organisationId(id),
  user: { id: 'u', groups: [] },
});

interface Entry {
  readonly name: string;
  readonly value: string;
  /** Undefined: everybody's. `nobody`: not for workers. */
  readonly owner: string | undefined | 'nobody';
}

const id = fc.oneof(
  fc.constantFrom('k', 'a-b', 'x.BLOCKED', 'apikey-k', ...organisations),
  fc.string({ minLength: 1, maxLength: 12 }),
  organisation.map((org) => `${org}0123456789abcdef0123456789abcdef`),
  fc
    .tuple(organisation, fc.constantFrom(...hashAlgorithms))
    .map(([org, h]) => Buffer.from(JSON.stringify({ org, id: 'abc', h })).toString('base64')),
  fc.tuple(organisation, fc.constantFrom(...hashAlgorithms)).map(([org, h]) => hashKey(org, h)),
);
const digest = fc.constantFrom('ab'.repeat(32), '01'.repeat(32));

const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.tuple(id, organisation, fc.jsonValue()).map(([key, owner, meta]) => ({
    name: `apikey-${key}`,
    value: JSON.stringify({ meta: { org_id: 'acme', meta }, org_id: owner }),
    owner,
  })),
  organisation.map((owner) => ({ name: `orgkey.${owner}`, value: `{"alias":"session of ${owner}"}`, owner })),
  fc.tuple(organisation, digest).map(([owner, sum]) => ({
    name: `cert-raw-${owner}${sum}`,
    value: `certificate ${sum} of ${owner}`,
    owner,
  })),
  digest.map((sum) => ({ name: `cert-raw-${sum}`, value: `certificate ${sum}`, owner: undefined })),
  fc
    .tuple(organisation, fc.constantFrom('clientid', 'access', 'refresh', 'authorize'), id)
    .map(([owner, item, key]) => ({
      name: `oauth-data.${owner}-api.oauth-${item}.${key}`,
      value: `${item} of ${owner}`,
      owner,
    })),
  fc.tuple(fc.constantFrom('quota-', 'rate-limit-', 'cert-', 'analytics-', ''), id).map(([prefix, key]) => ({
    name: `${prefix}${key}`,
    value: `whatever ${prefix}${key}`,
    owner: 'nobody' as const,
  })),
);

async function setUp(entries: readonly Entry[], hashKeys: boolean) {
  const clock = new FakeClock();
  const store = new MemoryKeyStore(clock);
  /** Of several entries by one name the last stands. */
  const standing = new Map(entries.map((one) => [one.name, one]));
  for (const { name, value } of standing.values()) await store.put(name, Buffer.from(value), undefined);
  const parts = { store, clock, log: silentLog, metrics: recordingMetrics(), obfuscate: () => '' };
  const apiOwners = (api: string) => organisations.filter((id) => api === `${id}-api`).map(organisationId);
  return {
    clock,
    store,
    standing,
    reader: new KeyReader({ ...parts, apiOwners }, { hashKeys }),
    counters: new Counters(parts),
    writer: new KeyWriter({ ...parts, writes: memoryWrites(store, clock) }, { hashKeys }),
  };
}

describe('organisation scope', () => {
  it('holds for every name', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 20 }),
        fc.array(fc.oneof(id, fc.string({ unit: 'binary' })), { maxLength: 5 }),
        organisation,
        fc.boolean(),
        async (entries, strangeNames, asking, hashKeys) => {
          const { reader, standing } = await setUp(entries, hashKeys);
          const names = [...standing.keys()].flatMap((name) => [name, name.replace(/^apikey-/, '')]);
          const asked = [...names, ...strangeNames];
          const answers = await reader.read(identity(asking), asked);
          const ownersOfValue = (value: string) =>
            [...standing.values()].filter((one) => one.value === value).map((one) => one.owner);
          answers.forEach((answer, index) => {
            if (answer !== undefined) {
              const owners = ownersOfValue(answer.value.toString('utf8'));
              expect(owners.some((owner) => owner === undefined || owner === asking)).toBe(true);
              return;
            }
            // And nothing of its own is withheld.
            const missed = standing.get(asked[index] ?? '');
            expect(missed?.owner === undefined ? missed : missed.owner === asking).toBeFalsy();
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('holds for counters: none that counts for a key of somebody else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 20 }),
        fc.constantFrom('quota-', 'rate-limit-'),
        fc.constantFrom('', 'scope-', 'a-', '0123456789abcdef01234567-'),
        id,
        organisation,
        async (entries, prefix, scope, key, asking) => {
          const { counters, standing } = await setUp(
            entries.filter(({ name }) => name.startsWith('apikey-')),
            false,
          );
          const name = prefix + scope + key;
          fc.pre(!standing.has(name));
          const owner = standing.get(`apikey-${scope}${key}`)?.owner;
          const countsForAsking = hashAlgorithms.some((h) => hashKey(asking, h) === scope + key);
          const allowed = await counters.increment(identity(asking), name, 1_000).then(
            () => true,
            () => false,
          );
          if (owner !== undefined && owner !== asking && scope + key !== asking && !countsForAsking) {
            expect(allowed).toBe(false);
          }
          if (owner === asking) expect(allowed).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('holds for operators: one organisation lists, reads and removes only its own', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 20 }),
        organisation,
        id.filter((key) => !/[\s:\p{Cc}]/u.test(key)),
        async (entries, asking, key) => {
          const { writer, store, standing } = await setUp(entries, false);
          const own = [...standing.values()].filter(
            ({ name, owner }) => name.startsWith('apikey-') && owner === asking,
          );
          const listed: string[] = [];
          for await (const one of writer.list(organisationId(asking), 100)) listed.push(`apikey-${one.id}`);
          expect(listed.sort()).toEqual(own.map(({ name }) => name).sort());
          const owner = standing.get(`apikey-${key}`)?.owner;
          const outcome = await writer.remove(organisationId(asking), { key }).then(
            () => 'removed',
            (error: { code: string }) => error.code,
          );
          expect(outcome).toBe(owner === asking ? 'removed' : 'NOT_FOUND');
          if (owner !== asking && owner !== undefined) {
            expect((await store.getMany([`apikey-${key}`]))[0]).toBeDefined();
          }
        },
      ),
    );
  });
});
