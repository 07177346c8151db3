import { describe, expect, it } from 'vitest';
import { CausewayError } from '../../../../src/errors/causeway-error.js';
import { AdministrativeGuard } from '../../../../src/transport/http/administrative-guard.js';
import { FakeClock } from '../../../memory/fake-clock.js';
import { recordingMetrics } from '../../../memory/recording-metrics.js';
import { RecordingLog } from '../../../memory/silent-log.js';

const address = '203.0.113.7';

function makeGuard(secret = 'open sesame') {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const metrics = recordingMetrics();
  const guard = new AdministrativeGuard({ secret, failuresPerMinuteMax: 30 }, { clock, log, metrics });
  const attempt = (header: string | string[] | undefined, from = address): string => {
    try {
      guard.admit(header, from);
      return 'admitted';
    } catch (thrown) {
      return thrown instanceof CausewayError ? thrown.code : 'other';
    }
  };
  return { guard, clock, log, metrics, attempt };
}

describe('administrative guard', () => {
  it('opens to the secret only', () => {
    const { attempt } = makeGuard();
    expect(attempt('open sesame')).toBe('admitted');
    for (const wrong of [undefined, '', 'open sesam', 'open sesame ', 'Open sesame', ['open sesame']]) {
      expect(attempt(wrong)).toBe('API_KEY_REFUSED');
    }
  });

  it('with an empty secret opens to nobody', () => {
    const { attempt } = makeGuard('');
    for (const header of [undefined, '', ' ', 'x']) expect(attempt(header)).toBe('API_KEY_REFUSED');
  });

  it('looks at no more than the allowed guesses of one host, right or wrong', () => {
    const { attempt, clock, log, metrics } = makeGuard();
    for (let guess = 0; guess < 30; guess++) expect(attempt(`guess ${guess}`)).toBe('API_KEY_REFUSED');
    for (const header of ['another', 'open sesame']) expect(attempt(header)).toBe('LOGIN_RATE_LIMITED');
    expect(attempt(undefined)).toBe('API_KEY_REFUSED');
    expect(attempt('open sesame', '198.51.100.1')).toBe('admitted');
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(metrics.value('causeway_limit_hits_total', { limit: 'failedLoginsPerMinuteMax' })).toBe(2);
    clock.advance(60_000);
    expect(attempt('open sesame')).toBe('admitted');
  });

  it('counts a network too, and a /64 as one host', () => {
    const ofNetwork = makeGuard();
    let refused = 0;
    for (let host = 0; host < 250; host++) {
      if (ofNetwork.attempt('x', `203.0.113.${host}`) === 'API_KEY_REFUSED') refused += 1;
    }
    expect(refused).toBe(240);
    const { attempt } = makeGuard();
    for (let host = 0; host < 30; host++) attempt('x', `2001:db8::${host.toString(16)}`);
    expect(attempt('open sesame', '2001:db8::ffff')).toBe('LOGIN_RATE_LIMITED');
    expect(attempt('open sesame', '2001:db8:0:1::1')).toBe('admitted');
  });

  it('does not shut out a host that has shown the secret for the mistakes of others behind it', () => {
    const { attempt } = makeGuard();
    expect(attempt('open sesame')).toBe('admitted');
    for (let guess = 0; guess < 299; guess++) attempt(`guess ${guess}`);
    expect(attempt('open sesame')).toBe('admitted');
    attempt('one more');
    expect(attempt('open sesame')).toBe('LOGIN_RATE_LIMITED');
  });

  it.each(['CHANGEME', '352d20ee67be67f6340b4c0605b044b7', 'secret', 'short'])(
    'keeps administration shut behind %s',
    (secret) => {
      expect(() => makeGuard(secret).guard.admitAdministration()).toThrow(/^security\.secret is /);
    },
  );

  it('lets administration through behind a secret', () => {
    expect(() => makeGuard().guard.admitAdministration()).not.toThrow();
  });
});
