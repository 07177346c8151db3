import { describe, expect, it } from 'vitest';
import { hashAlgorithms, hashKey, looksHashed } from '../../../src/domain/key-hash.js';

/** Text, murmur32 and murmur128 as TykTechnologies/murmur3 computes them: tails of every kind. */
const vectors = [
  ['T', '00000000', '8c03777e9184689a3ab5d6b4ba293e79'],
  ['The', '00000000', '304f2652dcd66d9aef385e5d15eabf42'],
  ['The ', '445899d7', 'bd4301beaba07d9cdfae3c4b8026dd1c'],
  ['The qui', '445899d7', 'f0d3843a5abcd5c99394b7f9c86d6073'],
  ['The quic', '71ff0246', '644baae4ad5b71cd8eeef997e2881cdf'],
  ['The quick', '71ff0246', '37a06404b2a8f155adbcc8ff3d6eccc0'],
  ['The quick brown', '31eec11c', '48137cb864e39216fd7baf64397ad64b'],
  ['The quick brown ', 'a64805e1', '9d1244f4af9b32c43d153c8b2c2a3aa6'],
  ['The quick brown f', 'a64805e1', '91f96376e757e9ae9b44e58dae83eb0c'],
  ['The quick brown fox jüm', 'c58a9884', '9958212c5f1d5293df27a15d062d3143'],
  ['The quick brown fox jümp', 'c58a9884', '96f51b6260d954aedfde8152bebbdcec'],
  ['The quick brown fox jümps', 'c58a9884', '2e7734a41bb829f5965ade38a467249d'],
  ['The quick brown fox jümps over ', '7469c4b7', '291e96c8a1648397264e42e1c02022e4'],
  ['The quick brown fox jümps over 東', '7469c4b7', 'ddb4cc6aecce51f06d2bf431c189f5c1'],
  ['The quick brown fox jümps over 東京', 'a2af795e', '3ac36d40f955f666a1c89dedcb0e65b1'],
  [
    'The quick brown fox jümps over 東京 — the lazy dog, 5e9d9544a1dcd60001d0ed20',
    '4434d72d',
    '422931dd59d670d61d4a8159706e2dfa',
  ],
] as const;

const token = 'eyJvcmciOiI1ZTlkOTU0NGExZGNkNjAwMDFkMGVkMjAiLCJpZCI6ImFiYyIsImgiOiJtdXJtdXI2NCJ9';

describe('hashKey', () => {
  it('makes the names that the field stores', () => {
    expect(hashAlgorithms.map((algorithm) => hashKey('hello', algorithm))).toEqual([
      'ef13efcd',
      'cbd8a7b341bd9b02',
      'cbd8a7b341bd9b025b1e906a48ae1d19',
      '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    ]);
    expect(['murmur32', 'murmur64', 'murmur128'].map((algorithm) => hashKey('', algorithm))).toEqual([
      '0'.repeat(8),
      '0'.repeat(16),
      '0'.repeat(32),
    ]);
  });

  it.each(vectors)('agrees with the gateway on %j', (text, murmur32, murmur128) => {
    expect(hashKey(text, 'murmur32')).toBe(murmur32);
    expect(hashKey(text, 'murmur128')).toBe(murmur128);
    expect(hashKey(text, 'murmur64')).toBe(murmur128.slice(0, 16));
  });

  it('lets the token decide, and takes murmur32 for what is no token or names nothing known', () => {
    expect(hashKey(token)).toBe('e255f6484f242509');
    expect(hashKey('hello')).toBe('ef13efcd');
    expect(hashKey('hello', 'md5')).toBe('ef13efcd');
  });

  it('makes what looks hashed', () => {
    for (const algorithm of hashAlgorithms) expect(looksHashed(hashKey('x', algorithm))).toBe(true);
    for (const name of ['', 'hello', token, '5e9d9544a1dcd60001d0ed20', 'EF13EFCD', 'ef13efcd\n']) {
      expect(looksHashed(name)).toBe(false);
    }
  });
});
