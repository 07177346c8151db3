import { beforeEach, describe, expect, test } from 'vitest';
import { organisationId, zoneId } from '../../../src/domain/identifiers.js';
import { limits } from '../../../src/domain/limits.js';
import type { User } from '../../../src/domain/organisation.js';
import { Authenticator } from '../../../src/hub/zones/authenticator.js';
import type { GatewaySession } from '../../../src/hub/zones/gateway-session.js';
import { GatewaySessions } from '../../../src/hub/zones/gateway-sessions.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { type RecordingMetrics, recordingMetrics } from '../../memory/recording-metrics.js';

const acme = organisationId('5e9d9544a1dcd60001d0ed20');
const other = organisationId('5e9d9544a1dcd60001d0ed99');
const organisations = [acme, other].map((id) => ({ id, name: id, hybridEnabled: true }));
const hmacKey = new Uint8Array(32);
const minute = 60_000;

function user(id: string, accessKey: string, organisation = acme): User {
  return { id, organisation, emailAddress: '', accessKey, active: true, groups: [] };
}

let clock: FakeClock;
let metrics: RecordingMetrics;
let authenticator: Authenticator;
let sessions: GatewaySessions;
let forgotten: GatewaySession[];

beforeEach(async () => {
  clock = new FakeClock();
  metrics = recordingMetrics();
  authenticator = new Authenticator({ clock, metrics }, { hmacKey });
  sessions = new GatewaySessions(
    { authenticator, clock, metrics },
    { sessionTimeoutMs: 60 * minute, refusedKeyHoldMs: 3 * minute, hmacKey },
  );
  forgotten = [];
  sessions.onForgotten((session) => forgotten.push(session));
  authenticator.onRevoked(({ user: id, reason }) => {
    if (reason === 'key-changed') return;
    sessions.endRefused((identity) => identity.user.id !== id || authenticator.isStillAllowed(identity));
  });
  setPeople([user('u1', 'key-1'), user('u2', 'key-2'), user('u3', 'key-3', other)]);
  await sessions.start();
});

function setPeople(users: readonly User[]): void {
  authenticator.setPeople(organisations, users);
  sessions.peopleChanged();
}

const login = (session: GatewaySession, apiKey: string) =>
  sessions.login(session, { apiKey, zone: zoneId('zone-a'), address: '10.0.0.1' });

const codeOf = (run: () => unknown) => {
  try {
    run();
    return 'none';
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
};

describe('a session', () => {
  test('is shared by all connections with its id', () => {
    const session = sessions.enter('id-1');
    expect(sessions.enter('id-1')).toBe(session);
    expect(sessions.enter('id-2')).not.toBe(session);
    login(session, 'key-1');
    expect(sessions.loginOf(sessions.enter('id-1'))?.identity.organisation).toBe(acme);
  });

  test('ends with its timeout, and each login begins it anew', () => {
    const session = sessions.enter('id-1');
    login(session, 'key-1');
    clock.advance(59 * minute);
    login(session, 'key-1');
    clock.advance(59 * minute);
    expect(sessions.loginOf(session)).toBeDefined();
    clock.advance(minute);
    expect(sessions.loginOf(session)).toBeUndefined();
  });

  test('is kept for ten minutes after its last connection', async () => {
    const session = sessions.enter('id-1');
    sessions.enter('id-1');
    login(session, 'key-1');
    sessions.leave(session);
    await clock.advanceAsync(20 * minute);
    sessions.leave(session);
    await clock.advanceAsync(9 * minute);
    expect(sessions.enter('id-1')).toBe(session);
    expect(sessions.loginOf(session)).toBeDefined();
    sessions.leave(session);
    await clock.advanceAsync(11 * minute);
    expect(forgotten).toEqual([session]);
    expect(sessions.loginOf(sessions.enter('id-1'))).toBeUndefined();
  });

  test('without a login is not kept', () => {
    const session = sessions.enter('id-1');
    expect(codeOf(() => login(session, 'nonsense'))).toBe('API_KEY_REFUSED');
    sessions.leave(session);
    expect(sessions.size).toBe(0);
  });

  test('is forgotten early when too many are kept', () => {
    for (let count = 0; count <= limits.leftSessionsMax; count++) {
      const session = sessions.enter(`id-${count}`);
      if (count < 2) login(session, 'key-1');
      else session.hasLoggedIn = true;
      sessions.leave(session);
    }
    expect(sessions.size).toBe(limits.leftSessionsMax);
    expect(forgotten.map(({ connectionId }) => connectionId)).toEqual(['id-0']);
    expect(metrics.value('causeway_limit_hits_total', { limit: 'leftSessionsMax' })).toBe(1);
  });

  test('refuses another organisation while it lives, and takes another user of its own', () => {
    const session = sessions.enter('id-1');
    login(session, 'key-1');
    expect(codeOf(() => login(session, 'key-3'))).toBe('ORGANISATION_REFUSED');
    expect(login(session, 'key-2').identity.user.id).toBe('u2');
    clock.advance(61 * minute);
    expect(login(session, 'key-3').identity.organisation).toBe(other);
  });

  test('shows nothing of its id', () => {
    const session = sessions.enter('a-secret-id');
    expect(session.member).not.toContain('secret');
    expect(session.member.startsWith(session.shown)).toBe(true);
  });
});

describe('when people change', () => {
  test('a removed user is out at once', () => {
    const session = sessions.enter('id-1');
    login(session, 'key-1');
    setPeople([user('u2', 'key-2')]);
    expect(sessions.loginOf(session)).toBeUndefined();
    expect(codeOf(() => login(session, 'key-1'))).toBe('API_KEY_REFUSED');
  });

  test('a worker with a changed key goes on, and may renew, until it is ended; others may not begin', () => {
    const session = sessions.enter('id-1');
    login(session, 'key-1');
    setPeople([user('u1', 'new-key')]);
    expect(sessions.loginOf(session)).toBeDefined();
    expect(login(session, 'key-1').identity.user.id).toBe('u1');
    expect(codeOf(() => login(sessions.enter('id-2'), 'key-1'))).toBe('API_KEY_REFUSED');
    sessions.endRefused((identity) => authenticator.isStillAllowed(identity));
    expect(sessions.loginOf(session)).toBeUndefined();
    expect(codeOf(() => login(session, 'key-1'))).toBe('API_KEY_REFUSED');
    expect(login(session, 'new-key').identity.user.id).toBe('u1');
  });

  test('those who wait for it hear of it until they no longer want to', () => {
    let heard = 0;
    const unsubscribe = sessions.onPeopleChanged(() => {
      heard += 1;
    });
    setPeople([]);
    unsubscribe();
    setPeople([]);
    expect(heard).toBe(1);
  });
});

describe('refused keys', () => {
  const refusals = () => metrics.value('causeway_logins_total', { protocol: 'gorpc', result: 'key-refused' });
  /** Failures that were looked at: only they use up what an address may fail. */
  const failuresLeft = () => {
    let left = 0;
    const fresh = () => codeOf(() => login(sessions.enter('probe'), `bad-${Math.random()}`));
    while (fresh() !== 'LOGIN_RATE_LIMITED') left += 1;
    return left;
  };

  test('are refused from memory, counted all the same, and cost the address nothing', () => {
    const session = sessions.enter('id-1');
    for (let count = 0; count < 100; count++)
      expect(codeOf(() => login(session, 'bad'))).toBe('API_KEY_REFUSED');
    expect(refusals()).toBe(100);
    expect(failuresLeft()).toBe(limits.failedLoginsPerMinuteMax - 1);
  });

  test('are looked at again after their time, and as soon as people change', () => {
    const session = sessions.enter('id-1');
    expect(codeOf(() => login(session, 'key-9'))).toBe('API_KEY_REFUSED');
    setPeople([user('u9', 'key-9')]);
    expect(login(session, 'key-9').identity.user.id).toBe('u9');
    expect(codeOf(() => login(session, 'key-8'))).toBe('API_KEY_REFUSED');
    clock.advance(4 * minute);
    expect(codeOf(() => login(session, 'key-8'))).toBe('API_KEY_REFUSED');
    expect(failuresLeft()).toBe(limits.failedLoginsPerMinuteMax - 1);
  });

  test('are not remembered while nobody is known, nor when there were too many', async () => {
    const blind = new Authenticator({ clock, metrics }, { hmacKey });
    const early = new GatewaySessions(
      { authenticator: blind, clock, metrics },
      { sessionTimeoutMs: minute, refusedKeyHoldMs: minute, hmacKey },
    );
    const session = early.enter('id-1');
    const request = { apiKey: 'key-1', zone: zoneId('z'), address: 'a' };
    expect(codeOf(() => early.login(session, request))).toBe('CATALOG_NOT_READY');
    blind.setPeople(organisations, [user('u1', 'key-1')]);
    expect(early.login(session, request).identity.user.id).toBe('u1');
    for (let count = 0; count < limits.failedLoginsPerMinuteMax; count++) {
      codeOf(() => early.login(session, { ...request, apiKey: `bad-${count}` }));
    }
    const limited = { ...request, apiKey: 'key-5' };
    expect(codeOf(() => early.login(session, limited))).toBe('LOGIN_RATE_LIMITED');
    blind.setPeople(organisations, [user('u5', 'key-5')]);
    expect(early.login(session, limited).identity.user.id).toBe('u5');
  });
});
