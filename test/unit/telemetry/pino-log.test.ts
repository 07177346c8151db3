import { describe, expect, it } from 'vitest';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { createPinoLog } from '../../../src/telemetry/pino-log.js';

function recordingLog(level = 'debug', pretty = false) {
  const lines: string[] = [];
  const log = createPinoLog({ level, destination: { write: (line) => lines.push(line) }, pretty });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

describe('pino log', () => {
  it('writes one JSON line with level, time and message', () => {
    const { log, last } = recordingLog();
    log.info('started', { port: 9091 });
    expect(last()).toMatchObject({ level: 'info', msg: 'started', port: 9091 });
    expect(String(last()['time'])).toMatch(/^\d{4}-\d{2}-\d{2}T.*Z$/);
    expect(last()).not.toHaveProperty('hostname');
  });

  it.each([
    ['warning', 'warn'],
    ['WARN', 'warn'],
    ['error', 'error'],
    ['', 'info'],
    ['trace', 'debug'],
  ])('accepts the level %j', (spelling, lowestShown) => {
    const { log, lines } = recordingLog(spelling);
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]('x');
    expect((JSON.parse(lines[0]!) as { level: string }).level).toBe(lowestShown);
  });

  it('shows nothing below fatal with the level fatal', () => {
    const { log, lines } = recordingLog('fatal');
    log.error('x');
    expect(lines).toEqual([]);
  });

  it('refuses an unknown level', () => {
    expect(() => recordingLog('loud')).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('blanks fields that hold a secret, two objects deep and in children', () => {
    const { log, lines } = recordingLog();
    const fields = {
      password: 'hunter2',
      storage: { password: 'hunter2', host: 'redis' },
      request: { headers: { 'x-tyk-authorization': 'hunter2', authorization: 'hunter2' } },
      user: { api_key: 'hunter2', accessKey: 'hunter2' },
    };
    log.info('configuration', fields);
    log.child(fields).warn('child');
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines[0]).toContain('"host":"redis"');
  });

  it('masks passwords in URLs wherever a text shows one', () => {
    const { log, lines } = recordingLog();
    const url = 'postgres://tyk:hunter2@db:5432/analytics';
    log.error(`cannot reach ${url}`, {
      url,
      error: new CausewayError('STORE_UNAVAILABLE', `no answer from ${url}`, { detail: url }),
      err: new Error(url),
    });
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines.join('')).toContain('postgres://tyk:****@db:5432/analytics');
  });

  it('tells expected trouble by its code and a defect by its stack', () => {
    const { log, last } = recordingLog();
    log.warn('x', { error: new CausewayError('NOT_FOUND', 'no such key', { detail: 'private' }) });
    expect(last()['error']).toEqual({ code: 'NOT_FOUND', message: 'no such key', detail: 'private' });
    log.warn('x', { error: new TypeError('oops') });
    expect(last()['error']).toMatchObject({ type: 'TypeError', message: 'oops' });
    expect(String((last()['error'] as { stack: string }).stack)).toContain('pino-log.test');
  });

  it('writes for people when asked, without JSON', () => {
    const { log, lines } = recordingLog('info', true);
    log.info('listening', { port: 9091 });
    expect(lines[0]).toMatch(/INFO.*listening/);
    expect(lines[0]).toContain('9091');
    expect(() => JSON.parse(lines[0]!)).toThrow();
  });
});
