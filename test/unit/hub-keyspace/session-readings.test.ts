import { describe, expect, it } from 'vitest';
import { SessionReadings } from '../../../src/hub/keyspace/session-readings.js';

const orgA = '5e9d9544a1dcd60001d0ed20';
const orgB = '5e9d9544a1dcd60001d0ed21';
const session = (organisation: string, filler = '') =>
  Buffer.from(JSON.stringify({ org_id: organisation, filler }));

describe('readings of sessions', () => {
  it('answers for the value, not for the name', () => {
    const readings = new SessionReadings();
    expect(readings.read('apikey-k', session(orgA)).owner).toBe(orgA);
    expect(readings.read('apikey-k', session(orgA)).owner).toBe(orgA);
    expect(readings.read('apikey-k', session(orgB)).owner).toBe(orgB);
    expect(readings.read('apikey-k', Buffer.from('no session')).owner).toBeUndefined();
    expect(readings.read('apikey-k', Buffer.from('no session')).owner).toBeUndefined();
    expect(readings.read('apikey-k', session(orgA)).owner).toBe(orgA);
  });

  it('does not mix up names whose values are equal', () => {
    const readings = new SessionReadings();
    const anonymous = Buffer.from('{}');
    expect(readings.read(`apikey-${orgA}0123`, anonymous).owner).toBe(orgA);
    expect(readings.read(`apikey-${orgB}0123`, anonymous).owner).toBe(orgB);
  });

  it('keeps a copy: the store may use its buffer again', () => {
    const readings = new SessionReadings();
    const value = session(orgA);
    readings.read('apikey-k', value);
    session(orgB).copy(value);
    expect(readings.read('apikey-k', value).owner).toBe(orgB);
  });

  it('is bounded in entries and in their size', () => {
    const readings = new SessionReadings(2);
    for (const id of ['a', 'b', 'c']) readings.read(`apikey-${id}`, session(orgA));
    expect(readings.size).toBe(2);
    expect(readings.read('apikey-large', session(orgB, 'x'.repeat(5_000))).owner).toBe(orgB);
    expect(readings.size).toBe(2);
    expect(readings.read('apikey-a', session(orgA)).owner).toBe(orgA);
  });
});

describe('what a gateway can decode', () => {
  const read = (text: string) => new SessionReadings().read('apikey-k', Buffer.from(text));

  it('is told from the bytes, and remembered with them', () => {
    const readings = new SessionReadings();
    const value = Buffer.from(`{"org_id":"${orgA}","quota_max":1e+06}`);
    expect(String(readings.read('apikey-k', value).respelt)).toBe(`{"org_id":"${orgA}","quota_max":1000000}`);
    expect(readings.read('apikey-k', value).respelt).toBe(readings.read('apikey-k', value).respelt);
    expect(readings.read('apikey-k', session(orgA)).respelt).toBeUndefined();
  });

  it('names the field', () => {
    expect(read(`{"org_id":"${orgA}","access_rights":{"a":{"versions":"x"}}}`)).toEqual({
      owner: orgA,
      respelt: undefined,
      problem: 'access_rights.a.versions: expected array, received string',
    });
    expect(read('no session').problem).toBe('not a JSON object');
    expect(read('[]').problem).toBe('not a JSON object');
    expect(read('{}').problem).toBeUndefined();
  });
});
