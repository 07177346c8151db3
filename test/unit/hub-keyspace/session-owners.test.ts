import { describe, expect, it } from 'vitest';
import { SessionOwners } from '../../../src/hub/keyspace/session-owners.js';

const orgA = '5e9d9544a1dcd60001d0ed20';
const orgB = '5e9d9544a1dcd60001d0ed21';
const session = (organisation: string, filler = '') =>
  Buffer.from(JSON.stringify({ org_id: organisation, filler }));

describe('owners of sessions', () => {
  it('answers for the value, not for the name', () => {
    const owners = new SessionOwners();
    expect(owners.ownerOf('apikey-k', session(orgA))).toBe(orgA);
    expect(owners.ownerOf('apikey-k', session(orgA))).toBe(orgA);
    expect(owners.ownerOf('apikey-k', session(orgB))).toBe(orgB);
    expect(owners.ownerOf('apikey-k', Buffer.from('no session'))).toBeUndefined();
    expect(owners.ownerOf('apikey-k', Buffer.from('no session'))).toBeUndefined();
    expect(owners.ownerOf('apikey-k', session(orgA))).toBe(orgA);
  });

  it('does not mix up names whose values are equal', () => {
    const owners = new SessionOwners();
    const anonymous = Buffer.from('{}');
    expect(owners.ownerOf(`apikey-${orgA}0123`, anonymous)).toBe(orgA);
    expect(owners.ownerOf(`apikey-${orgB}0123`, anonymous)).toBe(orgB);
  });

  it('keeps a copy: the store may use its buffer again', () => {
    const owners = new SessionOwners();
    const value = session(orgA);
    owners.ownerOf('apikey-k', value);
    session(orgB).copy(value);
    expect(owners.ownerOf('apikey-k', value)).toBe(orgB);
  });

  it('is bounded in entries and in their size', () => {
    const owners = new SessionOwners(2);
    for (const id of ['a', 'b', 'c']) owners.ownerOf(`apikey-${id}`, session(orgA));
    expect(owners.size).toBe(2);
    expect(owners.ownerOf('apikey-large', session(orgB, 'x'.repeat(5_000)))).toBe(orgB);
    expect(owners.size).toBe(2);
    expect(owners.ownerOf('apikey-a', session(orgA))).toBe(orgA);
  });
});
