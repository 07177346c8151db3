import { describe, expect, it } from 'vitest';
import { StandardStream } from '../../../src/telemetry/standard-stream.js';

function failing(code: string) {
  return Object.assign(new Error(code), { code });
}

/** A descriptor that does what the test says next. */
function makeStream() {
  let text = '';
  const next: (() => number)[] = [];
  const stream = new StandardStream(1, (_, bytes) => {
    const taken = next.shift()?.() ?? bytes.length;
    text += bytes.subarray(0, taken).toString();
    return taken;
  });
  const fail = (code: string, times = 1) => {
    for (let time = 0; time < times; time++) {
      next.push(() => {
        throw failing(code);
      });
    }
  };
  return { stream, fail, take: (bytes: number) => next.push(() => bytes), text: () => text };
}

describe('a log on a standard stream', () => {
  it.each(['EPIPE', 'ENOSPC', 'EIO'])('goes on after %s, and says how much was lost', (code) => {
    const { stream, fail, text } = makeStream();
    stream.write('one\n');
    fail(code, 3);
    for (const line of ['two\n', 'three\n', 'four\n']) stream.write(line);
    stream.write('five\n');
    expect(text()).toBe(
      'one\n{"level":"warn","msg":"log lines were lost: nobody took them","lines":3}\nfive\n',
    );
  });

  it('writes the rest of a line that was taken in part, and waits for a slow reader', () => {
    const { stream, fail, take, text } = makeStream();
    take(2);
    fail('EAGAIN', 3);
    stream.write('one\n');
    expect(text()).toBe('one\n');
  });

  it('gives a line up when nobody reads, and keeps the next one whole', () => {
    const { stream, fail, take, text } = makeStream();
    take(2);
    fail('EAGAIN', 11);
    stream.write('one\n');
    stream.write('two\n');
    expect(text()).toMatch(/^on\n\{.*"lines":1\}\ntwo\n$/);
  });
});
