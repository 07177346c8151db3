import { describe, expect, it, vi } from 'vitest';
import type { ComponentHealth } from '../../../../src/transport/http/operator-views.js';
import { ReadinessCache } from '../../../../src/transport/http/readiness-cache.js';
import { FakeClock } from '../../../memory/fake-clock.js';
import { recordingMetrics } from '../../../memory/recording-metrics.js';
import { RecordingLog } from '../../../memory/silent-log.js';

function setUp() {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const state: { status: 'pass' | 'fail' } = { status: 'pass' };
  const read = vi.fn(async () => {
    const components: ComponentHealth[] = [
      { name: 'redis', status: state.status, observedAtMs: clock.nowMs() },
    ];
    return { components };
  });
  return {
    clock,
    log,
    state,
    read,
    cache: new ReadinessCache(read, 10_000, { clock, log, metrics: recordingMetrics() }),
  };
}

describe('readiness cache', () => {
  it('fails until it was read once', async () => {
    const { cache } = setUp();
    expect(cache.passes).toBe(false);
    await cache.renew();
    expect(cache.passes).toBe(true);
  });

  it('reads once per period while all is well, however often it is asked', async () => {
    const { cache, clock, read } = setUp();
    await cache.renew();
    for (let probe = 0; probe < 100; probe += 1) expect(cache.passes).toBe(true);
    await clock.advanceAsync(9_999);
    expect(read).toHaveBeenCalledTimes(1);
    await clock.advanceAsync(1);
    expect(read).toHaveBeenCalledTimes(2);
    await clock.advanceAsync(10_000);
    expect(read).toHaveBeenCalledTimes(3);
  });

  it('looks every second while it is not ready, and says when that changes', async () => {
    const { cache, clock, log, read, state } = setUp();
    await cache.renew();
    state.status = 'fail';
    await clock.advanceAsync(10_000);
    expect(cache.passes).toBe(false);
    state.status = 'pass';
    await clock.advanceAsync(1_000);
    expect(cache.passes).toBe(true);
    expect(read).toHaveBeenCalledTimes(3);
    expect(log.lines.map(({ message }) => message)).toEqual(['ready', 'not ready', 'ready']);
    expect(log.lines[1]?.fields).toMatchObject({ failing: ['redis'] });
  });

  it('fails when readiness cannot be read, or not in time', async () => {
    const { cache, clock, read } = setUp();
    await cache.renew();
    read.mockRejectedValueOnce(new Error('broken'));
    await clock.advanceAsync(10_000);
    expect(cache.components).toMatchObject([{ name: 'hub', status: 'fail' }]);
    read.mockReturnValueOnce(new Promise(() => {}));
    await clock.advanceAsync(1_000);
    await clock.advanceAsync(10_000);
    expect(cache.passes).toBe(false);
    await clock.advanceAsync(1_000);
    expect(cache.passes).toBe(true);
  });

  it('fails at once and for good when draining begins', async () => {
    const { cache } = setUp();
    await cache.renew();
    cache.beginDraining();
    expect(cache.passes).toBe(false);
    expect(cache.components).toMatchObject([
      { name: 'hub', status: 'fail' },
      { name: 'redis', status: 'pass' },
    ]);
    await cache.renew();
    expect(cache.passes).toBe(false);
  });

  it('leaves no timer behind', async () => {
    const { cache, clock } = setUp();
    await cache.renew();
    cache.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
