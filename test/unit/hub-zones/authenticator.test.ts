import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { limits } from '../../../src/domain/limits.js';
import type { Organisation, User } from '../../../src/domain/organisation.js';
import type { ErrorCode } from '../../../src/errors/catalogue.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { Authenticator, type LoginRequest, type Revocation } from '../../../src/hub/zones/authenticator.js';
import { FakeClock } from '../../memory/fake-clock.js';
import { recordingMetrics } from '../../memory/recording-metrics.js';

const acme: Organisation = { id: organisationId('acme'), name: 'Acme', hybridEnabled: true };
const other: Organisation = { id: organisationId('other'), name: 'Other', hybridEnabled: true };
const local: Organisation = { id: organisationId('local'), name: 'Local', hybridEnabled: false };

function user(id: string, organisation: Organisation, changes: Partial<User> = {}): User {
  return {
    id,
    organisation: organisation.id,
    emailAddress: `${id}@example.com`,
    accessKey: `key-of-${id}`,
    active: true,
    groups: [`group-of-${id}`],
    ...changes,
  };
}

const ann = user('ann', acme);
const bob = user('bob', other);
const idle = user('idle', acme, { active: false });
const lone = user('lone', local);

function setUp() {
  const clock = new FakeClock();
  const metrics = recordingMetrics();
  const authenticator = new Authenticator({ clock, metrics }, { hmacKey: Buffer.alloc(32, 7) });
  const revoked: Revocation[] = [];
  authenticator.onRevoked((revocation) => revoked.push(revocation));
  const login = (request: Partial<LoginRequest>) =>
    authenticator.login({
      protocol: 'grpc',
      apiKey: ann.accessKey,
      organisation: undefined,
      address: '10.0.0.1',
      ...request,
    });
  const refusal = (request: Partial<LoginRequest>): { code: ErrorCode; message: string } => {
    try {
      login(request);
    } catch (error) {
      if (error instanceof CausewayError) return { code: error.code, message: error.message };
      throw error;
    }
    throw new Error('it was accepted');
  };
  return { clock, metrics, authenticator, revoked, login, refusal };
}

function populated() {
  const parts = setUp();
  parts.authenticator.setPeople([acme, other, local], [ann, bob, idle, lone]);
  return parts;
}

describe('login', () => {
  it('says who the key belongs to, with and without the organisation', () => {
    const { login, metrics } = populated();
    const expected = { organisation: 'acme', user: { id: 'ann', groups: ['group-of-ann'] } };
    expect(login({})).toEqual(expected);
    expect(login({ organisation: 'acme', protocol: 'gorpc' })).toEqual(expected);
    expect(metrics.value('causeway_logins_total', { protocol: 'grpc', result: 'accepted' })).toBe(1);
    expect(metrics.value('causeway_logins_total', { protocol: 'gorpc', result: 'accepted' })).toBe(1);
  });

  it('answers every bad key alike', () => {
    const { refusal, metrics } = populated();
    const answers = [undefined, '', 'unknown', idle.accessKey, `${ann.accessKey} `].flatMap((apiKey) =>
      [undefined, 'acme', 'other', 'nowhere'].map((organisation) =>
        JSON.stringify(refusal({ apiKey, organisation })),
      ),
    );
    expect(new Set(answers)).toEqual(
      new Set([JSON.stringify({ code: 'API_KEY_REFUSED', message: 'the API key is not valid' })]),
    );
    expect(metrics.value('causeway_logins_total', { protocol: 'grpc', result: 'key-refused' })).toBe(20);
  });

  it('never takes an empty key, also when a user has one', () => {
    const { authenticator, refusal } = setUp();
    authenticator.setPeople([acme], [user('blank', acme, { accessKey: '' })]);
    expect(refusal({ apiKey: '' }).code).toBe('API_KEY_REFUSED');
    expect(refusal({ apiKey: undefined }).code).toBe('API_KEY_REFUSED');
  });

  it('says clearly when the organisation is the trouble', () => {
    const { refusal, authenticator } = populated();
    expect(refusal({ organisation: 'other' })).toEqual({
      code: 'ORGANISATION_REFUSED',
      message: 'the API key is not valid for organisation other',
    });
    expect(refusal({ organisation: '' }).code).toBe('ORGANISATION_REFUSED');
    expect(refusal({ apiKey: lone.accessKey, organisation: 'local' })).toEqual({
      code: 'ORGANISATION_REFUSED',
      message:
        'organisation local is not hybrid-enabled: set hybrid_enabled in its record at the control plane',
    });
    expect(refusal({ apiKey: lone.accessKey }).code).toBe('ORGANISATION_REFUSED');
    authenticator.setPeople([], [ann]);
    expect(refusal({})).toEqual({
      code: 'ORGANISATION_REFUSED',
      message: 'organisation acme is not known',
    });
  });

  it('knows the same key in two organisations apart by the organisation', () => {
    const { authenticator, login, refusal } = setUp();
    const twin = user('twin', other, { accessKey: ann.accessKey });
    authenticator.setPeople([acme, other], [ann, twin]);
    expect(login({ organisation: 'other' }).user.id).toBe('twin');
    expect(login({ organisation: 'acme' }).user.id).toBe('ann');
    expect(refusal({}).code).toBe('ORGANISATION_REFUSED');
  });

  it('is not ready before the people are known, and holds that against nobody', () => {
    const { authenticator, login, refusal, metrics } = setUp();
    for (let attempt = 0; attempt < 100; attempt += 1) {
      expect(refusal({ apiKey: 'unknown' }).code).toBe('CATALOG_NOT_READY');
    }
    authenticator.setPeople([acme], [ann]);
    expect(login({}).user.id).toBe('ann');
    expect(refusal({ apiKey: 'unknown' }).code).toBe('API_KEY_REFUSED');
    expect(metrics.value('causeway_logins_total', { protocol: 'grpc', result: 'not-ready' })).toBe(100);
  });

  it('never shows a key in a message', () => {
    const { refusal } = populated();
    const said = [{ apiKey: 'secret-1' }, { apiKey: ann.accessKey, organisation: 'other' }].map((request) =>
      JSON.stringify(refusal(request)),
    );
    for (const text of said) expect(text).not.toMatch(/secret-1|key-of-ann/);
  });
});

describe('failed logins', () => {
  it('are limited per address and minute, and a good key gets in all the same', () => {
    const { clock, login, refusal, metrics } = populated();
    for (let failure = 0; failure < limits.failedLoginsPerMinuteMax; failure += 1) {
      expect(refusal({ apiKey: 'wrong' }).code).toBe('API_KEY_REFUSED');
    }
    expect(refusal({ apiKey: 'wrong' }).code).toBe('LOGIN_RATE_LIMITED');
    expect(login({}).user.id).toBe('ann');
    expect(refusal({ apiKey: 'wrong', address: '10.0.0.2' }).code).toBe('API_KEY_REFUSED');
    expect(metrics.value('causeway_limit_hits_total', { limit: 'failedLoginsPerMinuteMax' })).toBe(1);
    clock.advance(60_000 / limits.failedLoginsPerMinuteMax);
    expect(refusal({ apiKey: 'wrong' }).code).toBe('API_KEY_REFUSED');
    expect(refusal({ apiKey: 'wrong' }).code).toBe('LOGIN_RATE_LIMITED');
  });

  it('are not those of a good key with a wrong organisation', () => {
    const { refusal } = populated();
    for (let attempt = 0; attempt < 100; attempt += 1) {
      expect(refusal({ organisation: 'other' }).code).toBe('ORGANISATION_REFUSED');
    }
    expect(refusal({ apiKey: 'wrong' }).code).toBe('API_KEY_REFUSED');
  });

  it('of ever new addresses do not use ever more memory', () => {
    const { refusal } = populated();
    for (let failure = 0; failure < limits.failedLoginsPerMinuteMax; failure += 1) {
      refusal({ apiKey: 'wrong', address: 'first' });
    }
    expect(refusal({ apiKey: 'wrong', address: 'first' }).code).toBe('LOGIN_RATE_LIMITED');
    for (let address = 0; address < limits.failedLoginAddressesMax; address += 1) {
      refusal({ apiKey: 'wrong', address: String(address) });
    }
    expect(refusal({ apiKey: 'wrong', address: 'first' }).code).toBe('API_KEY_REFUSED');
  });
});

describe('revocation', () => {
  const cases: readonly [Revocation['reason'], readonly Organisation[], readonly User[]][] = [
    ['user-removed', [acme, other], [bob]],
    ['user-inactive', [acme, other], [{ ...ann, active: false }, bob]],
    ['key-changed', [acme, other], [{ ...ann, accessKey: 'new' }, bob]],
    ['user-removed', [acme, other], [{ ...ann, organisation: other.id }, bob]],
    ['organisation-not-hybrid', [{ ...acme, hybridEnabled: false }, other], [ann, bob]],
    ['organisation-removed', [other], [ann, bob]],
  ];

  it.each(cases)('tells of %s once', (reason, organisations, users) => {
    const { authenticator, login, revoked } = populated();
    const identity = login({});
    const unaffected = login({ apiKey: bob.accessKey });
    expect(authenticator.isStillAllowed(identity)).toBe(true);
    authenticator.setPeople(organisations, users);
    authenticator.setPeople(organisations, users);
    expect(revoked).toEqual([{ organisation: 'acme', user: 'ann', reason }]);
    expect(authenticator.isStillAllowed(identity)).toBe(false);
    expect(authenticator.isStillAllowed(unaffected)).toBe(true);
  });

  it('leaves alone who logs in with the new key', () => {
    const { authenticator, login } = populated();
    const before = login({});
    authenticator.setPeople([acme, other], [{ ...ann, accessKey: 'new' }, bob]);
    const after = login({ apiKey: 'new' });
    expect([before, after].map((one) => authenticator.isStillAllowed(one))).toEqual([false, true]);
  });

  it('is not said of people who had no access, nor after unsubscribing, nor for other changes', () => {
    const { authenticator, revoked } = populated();
    authenticator.setPeople([acme, other], [{ ...ann, emailAddress: 'new@example.com', groups: [] }, bob]);
    expect(revoked).toEqual([]);
    const late: Revocation[] = [];
    authenticator.onRevoked((revocation) => late.push(revocation))();
    authenticator.setPeople([], []);
    expect(late).toEqual([]);
    expect(revoked.map((one) => one.user)).toEqual(['ann', 'bob']);
  });
});

describe('whatever the people and the keys', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const organisations = fc.uniqueArray(
    fc.record({ id: name.map(organisationId), name, hybridEnabled: fc.boolean() }),
    { selector: (one) => one.id },
  );
  const users = fc.uniqueArray(
    fc.record({
      id: name,
      organisation: name.map(organisationId),
      emailAddress: name,
      accessKey: fc.constantFrom('', 'k1', 'k2', 'k3'),
      active: fc.boolean(),
      groups: fc.constant<string[]>([]),
    }),
    { selector: (one) => `${one.organisation}/${one.id}` },
  );

  it('only an active user of a hybrid-enabled organisation gets in, by its own key', () => {
    fc.assert(
      fc.property(
        organisations,
        users,
        fc.constantFrom('', 'k1', 'k2', 'k4'),
        fc.option(name, { nil: undefined }),
        (knownOrganisations, knownUsers, apiKey, organisation) => {
          const { authenticator, login } = setUp();
          authenticator.setPeople(knownOrganisations, knownUsers);
          let identity: ReturnType<typeof login>;
          try {
            identity = login({ apiKey, organisation });
          } catch {
            return;
          }
          expect(organisation ?? identity.organisation).toBe(identity.organisation);
          expect(knownOrganisations.find((one) => one.id === identity.organisation)?.hybridEnabled).toBe(
            true,
          );
          expect(
            knownUsers.some(
              (one) =>
                one.id === identity.user.id &&
                one.organisation === identity.organisation &&
                one.active &&
                one.accessKey === apiKey &&
                apiKey !== '',
            ),
          ).toBe(true);
        },
      ),
    );
  });
});
