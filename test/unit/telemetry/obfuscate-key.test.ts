import { describe, expect, it } from 'vitest';
import { createObfuscate } from '../../../src/telemetry/obfuscate-key.js';

describe('obfuscate key', () => {
  it.each([
    ['0123456789abcdef', '****cdef'],
    ['12345678', '****5678'],
    ['1234567', '****'],
    ['', '****'],
  ])('shows %j as %j', (key, shown) => {
    expect(createObfuscate(false)(key)).toBe(shown);
  });

  it('shows the whole key with key logging on', () => {
    expect(createObfuscate(true)('0123456789abcdef')).toBe('0123456789abcdef');
  });
});
