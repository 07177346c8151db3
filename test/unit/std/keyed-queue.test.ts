import { describe, expect, it } from 'vitest';
import { KeyedQueue } from '../../../src/std/keyed-queue.js';
import { settle } from '../../memory/fake-clock.js';

describe('KeyedQueue', () => {
  it('keeps equal keys in order and lets others run', async () => {
    const queue = new KeyedQueue();
    const seen: string[] = [];
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const first = queue.run('a', async () => {
      await gate;
      seen.push('a1');
      throw new Error('a1 failed');
    });
    const second = queue.run('a', async () => seen.push('a2'));
    await queue.run('b', async () => seen.push('b1'));
    open();
    await expect(first).rejects.toThrow('a1 failed');
    await second;
    expect(seen).toEqual(['b1', 'a1', 'a2']);
    await settle();
    expect(queue.size).toBe(0);
  });
});
