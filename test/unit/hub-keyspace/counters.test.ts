import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { hashKey } from '../../../src/domain/key-hash.js';
import { Counters } from '../../../src/hub/keyspace/counters.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { MemoryKeyStore } from '../../memory/memory-key-store.js';

const orgA = '5e9d9544a1dcd60001d0ed20';
const orgB = '5e9d9544a1dcd60001d0ed21';
const worker = { organisation: organisationId(orgA), user: { id: 'u', groups: [] } };

async function setUp() {
  const clock = new FakeClock();
  const store = new MemoryKeyStore(clock);
  for (const [id, owner] of [
    ['aaaa0001', orgA],
    ['bbbb0001', orgB],
    ['scope-aaaa0001', orgB],
    ['multi-part-id', orgA],
  ]) {
    await store.put(`apikey-${id}`, Buffer.from(JSON.stringify({ org_id: owner })), undefined);
  }
  return { clock, store, counters: new Counters({ store, clock }) };
}

describe('Counters', () => {
  it.each([
    [`quota-${orgA}`, true],
    [`quota-${hashKey(orgA)}`, true],
    [`quota-${hashKey(orgA, 'sha256')}`, true],
    [`rate-limit-${hashKey(orgA)}.BLOCKED`, true],
    ['quota-aaaa0001', true],
    ['quota-api1-aaaa0001', true],
    ['quota-api-1-aaaa0001', true],
    ['quota-api1-multi-part-id', true],
    ['rate-limit-aaaa0001.BLOCKED', true],
    [`quota-${orgA}0123456789abcdef`, true],
    [`quota-${orgB}`, false],
    [`quota-${hashKey(orgB)}`, false],
    ['quota-bbbb0001', false],
    ['quota-scope-aaaa0001', false],
    ['quota-unknown', false],
    [`quota-${orgB}0123456789abcdef`, false],
    ['quota-', false],
    ['apikey-aaaa0001', false],
    ['aaaa0001', false],
    [`orgkey.${orgA}`, false],
    ['', false],
    [`quota-${orgA}${'x'.repeat(5_000)}`, false],
  ])('counts %s: %s', async (name, allowed) => {
    const { counters } = await setUp();
    const results = await Promise.allSettled([
      counters.increment(worker, name, 1_000),
      counters.addToWindow(worker, `${name}`, 1_000),
    ]);
    if (allowed) {
      expect(results[0]).toEqual({ status: 'fulfilled', value: 1 });
    } else {
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'OUT_OF_SCOPE' } });
      }
    }
  });

  it('gives a counter its life when it begins', async () => {
    const { counters, clock } = await setUp();
    const name = `quota-${orgA}`;
    expect(await counters.increment(worker, name, 1_000)).toBe(1);
    clock.advance(900);
    expect(await counters.increment(worker, name, 1_000)).toBe(2);
    clock.advance(200);
    expect(await counters.increment(worker, name, 0)).toBe(1);
    clock.advance(1e9);
    expect(await counters.increment(worker, name, -1)).toBe(2);
  });

  it('counts a window before adding to it', async () => {
    const { counters, clock } = await setUp();
    const name = `rate-limit-${orgA}`;
    expect(await counters.addToWindow(worker, name, 1_000)).toBe(0);
    clock.advance(600);
    expect(await counters.addToWindow(worker, name, 1_000)).toBe(1);
    clock.advance(600);
    expect(await counters.addToWindow(worker, name, 1_000)).toBe(1);
    await expect(counters.addToWindow(worker, name, 0)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('passes on that the store fails', async () => {
    const { counters, store } = await setUp();
    store.failAlways();
    await expect(counters.increment(worker, 'quota-aaaa0001', 1)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });
});
