import { describe, expect, it } from 'vitest';
import { encodePprof } from '../../../../src/transport/http/pprof-encoding.js';
import { fromCpuProfile, fromHeapProfile } from '../../../../src/transport/http/profile-conversion.js';

type Fields = Map<number, (bigint | Buffer)[]>;

/** Just enough protobuf to read back what was written. */
function decode(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    let value: bigint | Buffer;
    if ((tag & 7) === 2) {
      const length = Number(varint());
      value = bytes.subarray(at, at + length);
      at += length;
    } else {
      value = varint();
    }
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

const all = (fields: Fields, field: number) => (fields.get(field) ?? []) as Buffer[];
const unpack = (bytes: Buffer | undefined) => [...(bytes ?? [])];

describe('pprof encoding', () => {
  it('writes samples, functions and strings that belong together', () => {
    const leaf = { functionName: 'leaf', url: 'file:///hub.js', lineNumber: 9 };
    const root = { functionName: '', url: 'file:///hub.js', lineNumber: -1 };
    const decoded = decode(
      Buffer.from(
        encodePprof({
          sampleTypes: [{ type: 'samples', unit: 'count' }],
          samples: [
            { stack: [leaf, root], values: [3] },
            { stack: [root], values: [300] },
          ],
          periodType: { type: 'cpu', unit: 'nanoseconds' },
          period: 1_000_000,
          startedAtMs: 1_700_000_000_000,
          durationMs: 5_000,
        }),
      ),
    );
    const strings = all(decoded, 6).map(String);
    expect(strings[0]).toBe('');
    const samples = all(decoded, 2).map(decode);
    expect(unpack(all(samples[0]!, 1)[0])).toEqual([1, 2]);
    expect(unpack(all(samples[0]!, 2)[0])).toEqual([3]);
    expect(unpack(all(samples[1]!, 2)[0])).toEqual([0xac, 0x02]);
    const functions = all(decoded, 5).map(decode);
    expect(functions.map((one) => strings[Number(one.get(2)?.[0])])).toEqual(['leaf', '(anonymous)']);
    expect(functions.map((one) => Number(one.get(5)?.[0] ?? 0))).toEqual([10, 0]);
    expect(all(decoded, 4)).toHaveLength(2);
    expect(decoded.get(9)).toEqual([1_700_000_000_000_000_000n]);
    expect(decoded.get(10)).toEqual([5_000_000_000n]);
    expect(decoded.get(12)).toEqual([1_000_000n]);
  });
});

describe('profile conversion', () => {
  const frame = (functionName: string) => ({
    functionName,
    url: '',
    scriptId: '0',
    lineNumber: 0,
    columnNumber: 0,
  });

  it('adds up CPU samples by stack and leaves idle time out', () => {
    const profile = fromCpuProfile(
      {
        nodes: [
          { id: 1, callFrame: frame('(root)'), children: [2, 3] },
          { id: 2, callFrame: frame('outer'), children: [4] },
          { id: 3, callFrame: frame('(idle)') },
          { id: 4, callFrame: frame('inner') },
        ],
        samples: [4, 3, 4, 2],
        timeDeltas: [10, 5_000, 20, 7],
        startTime: 0,
        endTime: 6_000,
      },
      0,
      1_000,
    );
    expect(profile.samples.map(({ stack, values }) => [stack.map((f) => f.functionName), values])).toEqual([
      [
        ['inner', 'outer'],
        [2, 30_000],
      ],
      [['outer'], [1, 7_000]],
    ]);
    expect(profile.durationMs).toBe(6);
  });

  it('takes the bytes of each heap stack', () => {
    const node = (name: string, id: number, selfSize: number, children: ReturnType<typeof frame>[] = []) => ({
      callFrame: frame(name),
      selfSize,
      id,
      children: children as never[],
    });
    const inner = node('inner', 3, 512);
    const outer = { ...node('outer', 2, 0), children: [inner] };
    const profile = fromHeapProfile({ head: { ...node('(root)', 1, 0), children: [outer] } }, 0, 1);
    expect(profile.samples.map(({ stack, values }) => [stack.map((f) => f.functionName), values])).toEqual([
      [['inner', 'outer'], [512]],
    ]);
  });
});
