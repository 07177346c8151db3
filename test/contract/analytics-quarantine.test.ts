import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { organisationId } from '../../src/domain/identifiers.js';
import type { AnalyticsQuarantine, RefusedRecord } from '../../src/ports/analytics-quarantine.js';
import { LmdbAnalyticsQuarantine } from '../../src/stores/embedded/lmdb-analytics-quarantine.js';
import { LmdbEnvironment } from '../../src/stores/embedded/lmdb-environment.js';
import { FakeClock } from '../memory/fake-clock.js';
import { MemoryAnalyticsQuarantine } from '../memory/memory-analytics-quarantine.js';
import { temporaryFolder } from './fixture.js';

const bounds = { recordsMax: 4, bytesMax: 100, textBytesMax: 20 };

function refused(position: number, index: number, text = '{}', reason = 'malformed'): RefusedRecord {
  return { organisation: organisationId('org-a'), position, index, reason, text: Buffer.from(text) };
}

interface Fixture {
  quarantine: AnalyticsQuarantine;
  reopen(): Promise<AnalyticsQuarantine>;
  dispose(): Promise<void>;
}

async function openLmdb(): Promise<Fixture> {
  const folder = await temporaryFolder();
  const open = () => new LmdbEnvironment(join(folder.path, 'test.mdb'));
  const on = (environment: LmdbEnvironment) =>
    new LmdbAnalyticsQuarantine(environment, { clock: new FakeClock(), ...bounds });
  let environment = open();
  return {
    quarantine: on(environment),
    reopen: async () => {
      await environment.close();
      environment = open();
      return on(environment);
    },
    dispose: async () => {
      await environment.close();
      await folder.remove();
    },
  };
}

async function openMemory(): Promise<Fixture> {
  const quarantine = new MemoryAnalyticsQuarantine(bounds);
  return { quarantine, reopen: async () => quarantine.restart(), dispose: async () => {} };
}

describe.each([
  ['lmdb', openLmdb],
  ['memory', openMemory],
] as const)('analytics quarantine: %s', (_, open) => {
  let fixture: Fixture;
  let quarantine: AnalyticsQuarantine;
  const names = async () =>
    (await quarantine.newest(100)).map(({ position, index }) => `${position}/${index}`);

  beforeEach(async () => {
    fixture = await open();
    quarantine = fixture.quarantine;
  });
  afterEach(() => fixture.dispose());

  it('keeps what it is given, over a restart, and counts it by reason', async () => {
    await quarantine.put([refused(5, 0), { ...refused(5, 3, '[]', 'too-deep'), detail: 'why' }]);
    quarantine = await fixture.reopen();
    expect(await quarantine.summary()).toEqual({
      records: 2,
      bytes: 4,
      byReason: { malformed: 1, 'too-deep': 1 },
    });
    const [newest] = await quarantine.newest(1);
    expect(newest).toMatchObject({ position: 5, index: 3, reason: 'too-deep', detail: 'why', bytes: 2 });
    expect(newest?.text.toString()).toBe('[]');
  });

  it('takes the same again for the same', async () => {
    await quarantine.put([refused(1, 0), refused(1, 1)]);
    expect(await quarantine.put([refused(1, 0), refused(1, 1)])).toEqual({ evicted: 0, kept: 2 });
    expect(await names()).toEqual(['1/1', '1/0']);
  });

  it('lets the oldest go beyond its bounds', async () => {
    await quarantine.put([refused(1, 0), refused(1, 1), refused(2, 0)]);
    expect(await quarantine.put([refused(3, 0), refused(3, 1)])).toEqual({ evicted: 1, kept: 4 });
    expect(await names()).toEqual(['3/1', '3/0', '2/0', '1/1']);
    quarantine = await fixture.reopen();
    expect(await quarantine.put([refused(4, 0)])).toEqual({ evicted: 1, kept: 4 });
    expect(await names()).toEqual(['4/0', '3/1', '3/0', '2/0']);
  });

  it('keeps the beginning of a long text, and no more bytes than it may', async () => {
    for (let position = 1; position <= 4; position += 1) {
      await quarantine.put([refused(position, 0, 'x'.repeat(1_000))]);
    }
    const [newest] = await quarantine.newest(1);
    expect(newest).toMatchObject({ bytes: 1_000 });
    expect(newest?.text.length).toBe(20);
    expect((await quarantine.summary()).bytes).toBe(80);
  });
});
