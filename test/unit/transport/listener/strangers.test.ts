import { beforeEach, describe, expect, it } from 'vitest';
import { type Stranger, Strangers } from '../../../../src/transport/listener/strangers.js';
import { FakeClock } from '../../../memory/fake-clock.js';
import { recordingMetrics } from '../../../memory/recording-metrics.js';

const bounds = { loginTimeoutMs: 30_000, strangersMax: 8, strangersPerNetworkMax: 6, strangersPerHostMax: 4 };

let clock: FakeClock;
let strangers: Strangers;
let ended: string[];

beforeEach(() => {
  clock = new FakeClock();
  strangers = new Strangers(bounds, { clock, metrics: recordingMetrics() });
  ended = [];
});

function enter(address: string): Stranger {
  return strangers.enter(address, {
    onTimeout: () => ended.push(`timeout ${address}`),
    onEvicted: () => ended.push(`evicted ${address}`),
  });
}

describe('strangers', () => {
  it('have their time, and whoever logs in has all of it', () => {
    enter('10.0.0.1');
    const worker = enter('10.0.0.1');
    clock.advance(29_000);
    worker.welcome();
    clock.advance(3_600_000);
    expect(ended).toEqual(['timeout 10.0.0.1']);
    worker.unwelcome();
    expect(strangers.size).toBe(1);
    clock.advance(30_000);
    expect(ended).toHaveLength(2);
    worker.unwelcome();
    expect([strangers.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('of one host and of one network are bounded, those who logged in are not counted', () => {
    for (let count = 0; count < 100; count++) enter('10.0.0.1').welcome();
    for (let count = 0; count < 4; count++) enter('10.0.0.1');
    expect(strangers.refuses('10.0.0.1')).toBe('strangersPerHostMax');
    enter('10.0.0.2');
    enter('10.0.0.3');
    expect(strangers.refuses('10.0.0.4')).toBe('strangersPerNetworkMax');
    expect(strangers.refuses('10.0.1.1')).toBeUndefined();
  });

  it('make room for a network that has fewer, the oldest first', () => {
    for (let count = 0; count < 4; count++) enter('10.0.0.1');
    for (let count = 0; count < 4; count++) enter('10.0.1.1');
    expect(strangers.refuses('10.0.2.1')).toBeUndefined();
    expect(ended).toEqual(['evicted 10.0.0.1']);
    enter('10.0.2.1');
    expect(strangers.refuses('10.0.2.1')).toBeUndefined();
    enter('10.0.2.1');
    expect(ended).toEqual(['evicted 10.0.0.1', 'evicted 10.0.1.1']);
    // Three, three and two: nobody has more than the fourth of one's own would make.
    expect(strangers.refuses('10.0.2.1')).toBe('strangersMax');
  });

  it('that close early leave nothing behind', () => {
    const one = enter('2001:db8::1');
    one.close();
    one.unwelcome();
    expect([strangers.size, clock.pendingTimers]).toEqual([0, 0]);
  });
});
