import { describe, expect, test } from 'vitest';
import {
  exactEra,
  keepsTokensAtHub,
  knowsEvent,
  narrowEra,
  parseReleaseNumber,
  readsLastPartAsAction,
  sinceRelease,
  unknownEra,
  untilLine,
} from '../../../src/domain/gateway-era.js';
import type { KeyEventKind } from '../../../src/domain/key-event.js';

test.each([
  ['v5.3.0', [5, 3, 0]],
  ['5.14.0', [5, 14, 0]],
  ['v5.8.0-rc1', [5, 8, 0]],
  ['v3.2.1+build', [3, 2, 1]],
  ['', undefined],
  ['dev', undefined],
  ['v5', undefined],
  ['v5.12345.1', undefined],
])('the release number of "%s"', (text, release) => {
  expect(parseReleaseNumber(text)).toEqual(release);
});

test.each<[string, KeyEventKind, boolean]>([
  ['v5.0.11', 'api-cache-flushed', false],
  ['v5.0.12', 'api-cache-flushed', true],
  ['v5.1.0', 'api-cache-flushed', false],
  ['v5.3.0', 'api-cache-flushed', false],
  ['v5.3.1', 'api-cache-flushed', true],
  ['v5.4.0', 'api-cache-flushed', true],
  ['v6.0.0', 'api-cache-flushed', true],
  ['v5.7.9', 'user-key-reset', false],
  ['v5.8.0', 'user-key-reset', true],
  ['v5.10.9', 'jwks-cache-flushed', false],
  ['v5.11.0', 'jwks-cache-flushed', true],
  ['v4.0.16', 'certificate-added', false],
  ['v4.1.0', 'oauth-client-updated', true],
  ['v2.8.0', 'key-removed', true],
])('%s knows %s: %s', (version, kind, known) => {
  expect(knowsEvent(exactEra(parseReleaseNumber(version) ?? [0, 0, 0]), kind)).toBe(known);
});

describe('an era', () => {
  test('that is not known is taken for a new one', () => {
    expect(knowsEvent(unknownEra, 'jwks-cache-flushed')).toBe(true);
    expect(keepsTokensAtHub(unknownEra)).toBe(false);
    expect(readsLastPartAsAction(unknownEra)).toBe(false);
  });

  test('is narrowed by all that is known', () => {
    const era = narrowEra(narrowEra(unknownEra, sinceRelease([2, 9, 0])), untilLine(4, 0));
    expect(era.oldest).toEqual([2, 9, 0]);
    expect(keepsTokensAtHub(era)).toBe(true);
    expect(knowsEvent(era, 'oauth-tokens-revoked')).toBe(true);
    expect(knowsEvent(era, 'certificate-added')).toBe(false);
    expect(narrowEra(era, sinceRelease([2, 0, 0]))).toBe(era);
    expect(narrowEra(era, untilLine(2, 8)).newest?.slice(0, 2)).toEqual([2, 8]);
  });

  test('since 4.1 reads one text for a quota and its key', () => {
    expect(readsLastPartAsAction(sinceRelease([4, 1, 0]))).toBe(true);
    expect(readsLastPartAsAction(sinceRelease([2, 9, 0]))).toBe(false);
    expect(keepsTokensAtHub(exactEra([4, 1, 0]))).toBe(false);
  });
});
