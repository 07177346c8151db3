import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/domain/limits.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { Inflater } from '../../../src/transport/gorpc/deflate/inflater.js';
import { OutboundStream } from '../../../src/transport/gorpc/deflate/outbound-stream.js';
import { deflateShared } from '../../../src/transport/gorpc/deflate/shared-bytes.js';
import { hex } from './hex.js';
import { seededRandom } from './seeded-random.js';

function inflate(wire: Buffer, pieceSize: () => number = () => wire.length): Buffer {
  const inflater = new Inflater();
  const parts: Buffer[] = [];
  for (let at = 0; at < wire.length; ) {
    const size = Math.max(1, pieceSize());
    inflater.push(wire.subarray(at, at + size), (inflated) => parts.push(Buffer.from(inflated)));
    at += size;
  }
  return Buffer.concat(parts);
}

function code(run: () => unknown): string {
  try {
    run();
    return 'nothing';
  } catch (thrown) {
    return thrown instanceof CausewayError ? thrown.code : String(thrown);
  }
}

/** Text of a vocabulary, so that there is something to refer back to; or noise, or one byte again and again. */
function content(random: () => number, length: number): Buffer {
  const kind = random();
  if (kind < 0.2) return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
  if (kind < 0.3) return Buffer.alloc(length, 65);
  let text = '';
  while (text.length < length) text += `${Math.floor(random() ** 3 * 500).toString(36)}":`;
  return Buffer.from(text.slice(0, length));
}

const strategies = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FILTERED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
  constants.Z_FIXED,
];

async function deflate(random: () => number, messages: readonly Buffer[], final: boolean): Promise<Buffer> {
  const parts: Buffer[] = [];
  const deflater = createDeflateRaw({
    level: Math.floor(random() * 10),
    memLevel: 1 + Math.floor(random() * 9),
    strategy: strategies[Math.floor(random() * strategies.length)],
  });
  deflater.on('data', (part: Buffer) => parts.push(part));
  for (const message of messages) {
    deflater.write(message);
    const kind = random() < 0.8 ? constants.Z_SYNC_FLUSH : constants.Z_PARTIAL_FLUSH;
    await new Promise<void>((resolve) => deflater.flush(kind, resolve));
  }
  if (final) {
    await new Promise<void>((resolve) => {
      deflater.on('end', resolve);
      deflater.end();
    });
  }
  return Buffer.concat(parts);
}

describe('inflating', () => {
  test('what zlib deflates, at all settings, cut anywhere', async () => {
    const random = seededRandom(11);
    for (let round = 0; round < 60; round++) {
      const messages = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
        content(random, 1 + Math.floor(random() ** 3 * 100_000)),
      );
      const wire = await deflate(random, messages, random() < 0.5);
      const expected = Buffer.concat(messages);
      expect(inflate(wire).equals(expected), `round ${round}, whole`).toBe(true);
      expect(inflate(wire, () => 1 + random() * 3).equals(expected), `round ${round}, bytes`).toBe(true);
      expect(inflate(wire, () => 1 + random() * 5_000).equals(expected), `round ${round}, pieces`).toBe(true);
    }
  });

  test('every split point of a stream with all kinds of blocks', () => {
    const text = Buffer.from('{"org_id":"5e9d9544a1dcd60001d0ed20"}'.repeat(9));
    const open = { finishFlush: constants.Z_SYNC_FLUSH };
    const wire = Buffer.concat([
      deflateRawSync(text, { level: 0, ...open }),
      deflateRawSync(text, { strategy: constants.Z_FIXED, ...open }),
      deflateRawSync(content(seededRandom(5), 700), { level: 9, ...open }),
      deflateRawSync(text, { strategy: constants.Z_HUFFMAN_ONLY }),
    ]);
    const expected = inflate(wire);
    expect(expected.length).toBe(3 * text.length + 700);
    for (let cut = 0; cut <= wire.length; cut++) {
      const inflater = new Inflater();
      const parts: Buffer[] = [];
      for (const piece of [wire.subarray(0, cut), wire.subarray(cut)]) {
        inflater.push(piece, (inflated) => parts.push(Buffer.from(inflated)));
      }
      expect(Buffer.concat(parts).equals(expected), `cut at ${cut}`).toBe(true);
      expect(inflater.ended).toBe(true);
    }
  });

  test('references over the whole window, from block to block and push to push', async () => {
    const random = seededRandom(3);
    const far = Buffer.from(Array.from({ length: 32_000 }, () => Math.floor(random() * 256)));
    const deflater = createDeflateRaw({ level: 9 });
    const parts: Buffer[] = [];
    deflater.on('data', (part: Buffer) => parts.push(part));
    for (let round = 0; round < 6; round++) {
      deflater.write(far);
      await new Promise<void>((resolve) => deflater.flush(constants.Z_SYNC_FLUSH, resolve));
    }
    const wire = Buffer.concat(parts);
    expect(wire.length).toBeLessThan(2 * far.length);
    const expected = Buffer.concat(Array(6).fill(far));
    expect(inflate(wire).equals(expected)).toBe(true);
    expect(inflate(wire, () => 700).equals(expected)).toBe(true);
  });

  test('the window takes what was received, and 32 KiB at most', () => {
    const inflater = new Inflater();
    expect(inflater.windowLength).toBe(0);
    const wire = deflateRawSync(Buffer.alloc(100, 1), { finishFlush: constants.Z_SYNC_FLUSH });
    inflater.push(wire, () => {});
    expect(inflater.windowLength).toBe(100);
    for (let round = 0; round < 1_000; round++) inflater.push(wire, () => {});
    expect(inflater.windowLength).toBe(32_768);
  });

  test('one inflater may be used while another hands on', () => {
    const wire = deflateRawSync(Buffer.from('text'), { finishFlush: constants.Z_SYNC_FLUSH });
    const seen: string[] = [];
    new Inflater().push(wire, (outer) => {
      new Inflater().push(wire, (inner) => seen.push(inner.toString()));
      seen.push(outer.toString());
    });
    expect(seen).toEqual(['text', 'text']);
  });

  test.each<[string, string]>([
    ['a block of kind 3', '07'],
    ['a stored length without its echo', '00 0500 0000'],
    ['a distance before the beginning', '03 02'],
    ['a distance symbol that is none', '03 3e'],
    ['an over-full code', '04 ff ff ff ff ff ff ff ff ff'],
    ['data after the end', '03 00 00'],
  ])('%s is refused', (_name, bytes) => {
    expect(code(() => inflate(hex(bytes)))).toBe('FRAME_INVALID');
    expect(code(() => inflate(hex(bytes), () => 1))).toBe('FRAME_INVALID');
  });

  test('mutated streams give what zlib gives, or are refused', async () => {
    const random = seededRandom(23);
    const source = deflateRawSync(content(seededRandom(9), 3_000), { finishFlush: constants.Z_SYNC_FLUSH });
    for (let round = 0; round < 1_500; round++) {
      const wire = Buffer.from(source);
      for (let count = 1 + random() * 3; count > 0; count--) {
        wire[Math.floor(random() * wire.length)] = Math.floor(random() * 256);
      }
      let ours: Buffer | undefined;
      const outcome = code(() => {
        ours = inflate(wire, () => 1 + random() * 400);
      });
      const theirs = await zlibInflate(wire);
      if (outcome === 'nothing') {
        // zlib refuses some codes one symbol earlier; what both give is the same.
        const [mine, other] = [ours ?? Buffer.alloc(0), theirs.output];
        const both = Math.min(mine.length, other.length);
        expect(mine.subarray(0, both).equals(other.subarray(0, both)), `round ${round}`).toBe(true);
        if (!theirs.failed) expect(mine.length).toBe(other.length);
      } else {
        expect(outcome, `round ${round}`).toBe('FRAME_INVALID');
        expect(theirs.failed || theirs.ended, `round ${round}`).toBe(true);
      }
    }
  });

  test('a bomb is refused before it is large', () => {
    const bomb = deflateRawSync(Buffer.alloc(200 * 2 ** 20), { level: 9 });
    let inflated = 0;
    const inflater = new Inflater();
    const run = () => {
      for (let at = 0; at < bomb.length; at += 16_384) {
        inflater.push(bomb.subarray(at, at + 16_384), (part) => {
          inflated += part.length;
        });
      }
    };
    expect(run).toThrow(`inflateRatioMax (${limits.inflateRatioMax})`);
    expect(inflated).toBeLessThanOrEqual(2 * limits.inflateBurstBytesMax);
  });

  test('text that compresses well is not a bomb', () => {
    const record = (index: number) => `{"method":"GET","path":"/orders/${index}","response_code":200}`;
    const text = Buffer.from(Array.from({ length: 400_000 }, (_, index) => record(index % 50)).join());
    const wire = deflateRawSync(text, { level: 1, finishFlush: constants.Z_SYNC_FLUSH });
    expect(text.length / wire.length).toBeGreaterThan(50);
    expect(inflate(wire, () => 65_536).equals(text)).toBe(true);
  });
});

interface ZlibOutcome {
  readonly output: Buffer;
  readonly failed: boolean;
  readonly ended: boolean;
}

async function zlibInflate(wire: Buffer): Promise<ZlibOutcome> {
  const inflater = createInflateRaw();
  const parts: Buffer[] = [];
  let ended = false;
  inflater.on('data', (part: Buffer) => parts.push(part));
  inflater.on('end', () => {
    ended = true;
  });
  const failed = await new Promise<boolean>((resolve) => {
    inflater.on('error', () => resolve(true));
    inflater.write(wire, () => inflater.flush(constants.Z_SYNC_FLUSH, () => resolve(false)));
  });
  await new Promise((resolve) => setImmediate(resolve));
  inflater.destroy();
  return { output: Buffer.concat(parts), failed, ended };
}

describe('stored blocks', () => {
  function streamOf(...pieces: readonly (string | Buffer)[]): Buffer {
    const stream = new OutboundStream(true);
    for (const piece of pieces) {
      if (typeof piece === 'string') stream.writer.append(Buffer.from(piece));
      else stream.appendShared({ bytes: piece });
    }
    return Buffer.concat(stream.take());
  }

  test('a small batch is one block and a flush', () => {
    expect(streamOf('ab', 'c').toString('hex')).toBe('000300fcff6162630000' + '00ffff');
  });

  test('nothing is nothing', () => {
    expect(new OutboundStream(true).take()).toEqual([]);
    expect(streamOf(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  });

  test.each([1, 65_534, 65_535, 65_536, 131_070, 200_000])('%d bytes, small and large pieces', (length) => {
    const bytes = content(seededRandom(length), length);
    for (const wire of [streamOf(bytes.toString('latin1')), streamOf(bytes), streamOf('a', bytes, 'z')]) {
      expect(wire.subarray(-5).toString('hex')).toBe('000000ffff');
    }
    expect(inflate(streamOf(bytes)).equals(bytes)).toBe(true);
    expect(
      inflate(streamOf('a', bytes, 'z', bytes)).equals(
        Buffer.concat([Buffer.from('a'), bytes, Buffer.from('z'), bytes]),
      ),
    ).toBe(true);
  });

  test('shared blocks stand anywhere in any stream, and zlib reads them', async () => {
    const bytes = content(seededRandom(2), 300_000);
    const shared = await deflateShared(bytes);
    expect(shared.deflated?.length).toBeLessThan(bytes.length / 2);
    expect(shared.deflated?.subarray(-4).toString('hex')).toBe('0000ffff');
    const stream = new OutboundStream(true);
    const parts: Buffer[] = [];
    for (let round = 0; round < 3; round++) {
      stream.writer.append(Buffer.from('before'));
      stream.appendShared(shared);
      stream.appendShared(shared);
      if (round > 0) stream.writer.append(Buffer.from('after'));
      parts.push(...stream.take());
    }
    const before = Buffer.concat([Buffer.from('before'), bytes, bytes]);
    const after = Buffer.from('after');
    const expected = Buffer.concat([before, before, after, before, after]);
    const wire = Buffer.concat(parts);
    expect(inflate(wire).equals(expected)).toBe(true);
    const theirs = await zlibInflate(wire);
    expect(theirs).toMatchObject({ failed: false, ended: false });
    expect(theirs.output.equals(expected)).toBe(true);
  });

  test('nothing to share', async () => {
    expect(await deflateShared(Buffer.alloc(0))).toEqual({ bytes: Buffer.alloc(0) });
  });
});
