import { describe, expect, it } from 'vitest';
import type { RedisAccess } from '../../../src/stores/redis/redis-access.js';
import { escapeGlob } from '../../../src/stores/redis/redis-key-store.js';
import { explainRedisTrouble } from '../../../src/stores/redis/redis-trouble.js';

const access: RedisAccess = {
  nodes: [{ host: 'redis', port: 6379 }],
  enableCluster: false,
  masterName: undefined,
  sentinelPassword: 'sentinel-secret',
  username: undefined,
  password: 'the-secret',
  database: 0,
  timeoutMs: 1_000,
  tls: undefined,
};

describe('what Redis says about its trouble', () => {
  it('holds no secret and no arguments', () => {
    const said = [
      "ERR unknown command 'AUTH', with args beginning with: 'the-secret' 'x'",
      'ERR unknown command `GET`, with args beginning with: `apikey-1`',
      'ERR something about the-secret and sentinel-secret\r\nand more',
    ];
    for (const text of said) {
      const explained = explainRedisTrouble(new Error(text), 'storage', access);
      expect(explained).not.toMatch(/secret|apikey-1|\n/);
      expect(explained).toMatch(/^storage: ERR/);
    }
  });

  it('is what the innermost error says', () => {
    const refused = Object.assign(new Error(''), { code: 'ECONNREFUSED' });
    const expected = 'analytics_storage.addrs: redis:6379: nothing listens there';
    const both = new AggregateError([refused, refused], '');
    const cluster = Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: refused });
    for (const error of [refused, both, cluster]) {
      expect(explainRedisTrouble(error, 'analytics_storage', access)).toBe(expected);
    }
  });

  it('is cut when it is long', () => {
    expect(explainRedisTrouble(new Error('x'.repeat(5_000)), 'storage', access).length).toBeLessThan(300);
    expect(explainRedisTrouble('text', 'storage', access)).toBe('storage: text');
  });
});

it('takes prefixes as texts, not as patterns', () => {
  expect(escapeGlob('a*b?c[d]e\\f')).toBe('a\\*b\\?c\\[d\\]e\\\\f');
  expect(escapeGlob('oauth-data.a1.')).toBe('oauth-data.a1.');
});
