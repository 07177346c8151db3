import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/domain/limits.js';
import { LoginRefusals, type RefusedLogin } from '../../../src/hub/zones/login-refusals.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';
import { RecordingLog } from '../../memory/silent-log.js';

function setUp() {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const metrics = recordingMetrics();
  return { clock, log, metrics, refusals: new LoginRefusals({ clock, log, metrics }) };
}

const from = (address: string, more: Partial<RefusedLogin> = {}): RefusedLogin => ({
  ...{ wire: 'gorpc', address, zone: 'eu', code: 'API_KEY_REFUSED', reason: 'no', key: '****' },
  ...more,
});

describe('refused logins in the log', () => {
  it('names who tries for ever once a minute, with how often it tried, and reads what it says only then', () => {
    const { clock, log, refusals } = setUp();
    let reads = 0;
    const details = () => ({ node: `read ${++reads}` });
    for (let count = 0; count < 500; count += 1) refusals.tell(from('10.0.0.1'), details);
    refusals.tell(from('10.0.0.1', { zone: 'us' }));
    expect(log.lines.map(({ fields }) => fields?.['zone'])).toEqual(['eu', 'us']);
    clock.advance(60_000);
    refusals.tell(from('10.0.0.1'), details);
    expect(log.lines.at(-1)?.fields).toMatchObject({ repeats: 499, node: 'read 2' });
    expect(reads).toBe(2);
  });

  it('rations a crowd, counts what it leaves out and remembers a bounded number', () => {
    const { clock, log, metrics, refusals } = setUp();
    for (let count = 0; count < 1_000; count += 1) refusals.tell(from(`10.0.${count >> 8}.${count & 255}`));
    expect(log.lines).toHaveLength(limits.refusalLinesPerMinuteMax);
    const leftOut = 1_000 - limits.refusalLinesPerMinuteMax;
    expect(metrics.value('causeway_limit_hits_total', { limit: 'refusalLinesPerMinuteMax' })).toBe(leftOut);
    clock.advance(1_000);
    refusals.tell(from('10.9.9.9'));
    expect(log.lines.at(-1)?.fields).toMatchObject({ address: '10.9.9.9', linesLeftOut: leftOut });
    for (let count = 0; count < limits.refusalsRememberedMax; count += 1) {
      clock.advance(1_000);
      refusals.tell(from(`10.1.${count >> 8}.${count & 255}`));
    }
    expect(metrics.value('causeway_limit_hits_total', { limit: 'refusalsRememberedMax' })).toBeGreaterThan(0);
  });

  it('cuts the names that a stranger chose', () => {
    const { log, refusals } = setUp();
    refusals.tell(from('10.0.0.1', { organisation: 'o'.repeat(8_000), zone: 'z'.repeat(8_000) }));
    expect(JSON.stringify(log.lines).length).toBeLessThan(500);
  });
});
