import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NewChange } from '../../../src/domain/change.js';
import { decodeChangeContent, encodeChangeContent } from '../../../src/domain/change-record.js';
import { definitionKinds } from '../../../src/domain/definition.js';
import type { KeyEvent } from '../../../src/domain/key-event.js';

const text = fc.string();
const keyed = (kind: 'key-changed' | 'key-removed' | 'quota-reset') =>
  fc.record({ kind: fc.constant(kind), key: text, hashed: fc.boolean() });
const client = (kind: 'oauth-client-added' | 'oauth-client-updated' | 'oauth-client-removed') =>
  fc.record({ kind: fc.constant(kind), api: text, client: text, organisation: text });

const keyEvent: fc.Arbitrary<KeyEvent> = fc.oneof(
  keyed('key-changed'),
  keyed('key-removed'),
  keyed('quota-reset'),
  fc.record({
    kind: fc.constant('oauth-token-revoked' as const),
    token: text,
    hashed: fc.boolean(),
    api: text,
    scope: fc.constantFrom('both' as const, 'access' as const, 'refresh' as const),
  }),
  fc.record({ kind: fc.constant('oauth-tokens-revoked' as const), api: text, client: text, secret: text }),
  fc.record({ kind: fc.constant('certificate-added' as const), certificate: text }),
  fc.record({ kind: fc.constant('certificate-removed' as const), certificate: text }),
  client('oauth-client-added'),
  client('oauth-client-updated'),
  client('oauth-client-removed'),
  fc.record({ kind: fc.constant('api-cache-flushed' as const), api: text }),
  fc.record({ kind: fc.constant('jwks-cache-flushed' as const), api: text }),
  fc.record({ kind: fc.constant('user-key-reset' as const), oldKey: text, newKey: text }),
);

const visibility = fc.record({
  tags: fc.array(text),
  tagsDisabled: fc.boolean(),
  ownerUsers: fc.array(text),
  ownerGroups: fc.array(text),
});

const body: fc.Arbitrary<NewChange['body']> = fc.oneof(
  keyEvent.map((event) => ({ type: 'key' as const, event })),
  fc.record({
    type: fc.constant('definition' as const),
    kind: fc.constantFrom(...definitionKinds),
    id: text,
    hash: fc.option(text, { nil: undefined }),
    before: fc.option(visibility, { nil: undefined }),
    after: fc.option(visibility, { nil: undefined }),
  }),
);

describe('change record', () => {
  it('gives back every change', () => {
    fc.assert(
      fc.property(body, fc.integer({ min: 0 }), (content, atMs) => {
        expect(decodeChangeContent(encodeChangeContent({ atMs, body: content }))).toEqual({
          atMs,
          body: content,
        });
      }),
    );
  });

  it('refuses what it does not know instead of guessing', () => {
    const event = { kind: 'key-changed', key: 'k', hashed: true };
    for (const content of [
      null,
      [],
      {},
      { atMs: '1', body: { type: 'key', event } },
      { atMs: 1, body: { type: 'future' } },
      { atMs: 1, body: { type: 'key', event: { kind: 'toString' } } },
      { atMs: 1, body: { type: 'key', event: { kind: 'key-changed', key: 'k' } } },
      {
        atMs: 1,
        body: {
          type: 'key',
          event: { ...event, kind: 'oauth-token-revoked', token: 't', api: 'a', scope: 'x' },
        },
      },
      { atMs: 1, body: { type: 'definition', kind: 'future', id: 'a' } },
      { atMs: 1, body: { type: 'definition', kind: 'api', id: 'a', before: { tags: [1] } } },
      { atMs: 1, body: { type: 'definition', kind: 'api', id: 'a', hash: 1 } },
    ]) {
      expect(
        decodeChangeContent(Buffer.from(JSON.stringify(content))),
        JSON.stringify(content),
      ).toBeUndefined();
    }
    expect(decodeChangeContent(Buffer.from('{"atMs":1'))).toBeUndefined();
    expect(decodeChangeContent(Buffer.alloc(0))).toBeUndefined();
  });
});
