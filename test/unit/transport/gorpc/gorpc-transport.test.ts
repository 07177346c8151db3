import { beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../../../src/domain/limits.js';
import { acme, answersIn, apiKey, TransportFixture } from './gorpc-fixture.js';
import { RequestWriter } from './request-writer.js';

let fixture: TransportFixture;
let requests: RequestWriter;

beforeEach(async () => {
  fixture = await new TransportFixture().start();
  requests = new RequestWriter();
});

const second = 1_000;

describe('the first bytes', () => {
  test.each([
    ['p', 'need-more'],
    ['proto', 'need-more'],
    ['proto2', 'yes'],
    ['proto2 and more', 'yes'],
    ['proto1', 'no'],
    ['P', 'no'],
  ])('"%s": %s', (head, verdict) => {
    expect(fixture.transport.matches(Buffer.from(head))).toBe(verdict);
  });
});

describe('connections that say too little', () => {
  test('are closed when the preamble does not come in time', async () => {
    const silent = fixture.connect(Buffer.from('proto2'));
    const partly = fixture.connect(requests.preamble().subarray(0, 9));
    const complete = fixture.connect(requests.preamble());
    await fixture.clock.advanceAsync(9 * second);
    expect(silent.destroyed).toBe(false);
    await fixture.clock.advanceAsync(2 * second);
    expect([silent.destroyed, partly.destroyed, complete.destroyed]).toEqual([true, true, false]);
    expect(fixture.limitHits('preambleTimeoutMs')).toBe(2);
    expect(fixture.transport.openConnections).toBe(1);
  });

  test('are strangers to the listener until their worker has logged in, whatever else they call', async () => {
    const standing = () => {
      const said: string[] = [];
      return {
        said,
        welcome: () => void said.push('welcome'),
        unwelcome: () => void said.push('unwelcome'),
        beforeTimeout: () => {},
      };
    };
    const [first, other, late] = [standing(), standing(), standing()];
    const one = fixture.connect(requests.preamble('pool'), '10.0.0.1', first);
    fixture.connect(new RequestWriter().preamble('pool'), '10.0.0.1', other);
    one.receive(requests.call('Ping', ''));
    one.receive(requests.call('Login', 'no-such-key'));
    await fixture.clock.advanceAsync(3 * second);
    expect([...first.said, ...other.said]).not.toContain('welcome');
    one.receive(requests.call('Login', apiKey));
    await fixture.settle();
    expect([first.said.at(-1), other.said.at(-1)]).toEqual(['welcome', 'welcome']);
    fixture.connect(new RequestWriter().preamble('pool'), '10.0.0.1', late);
    await fixture.settle();
    expect(late.said).toEqual(['welcome']);
    fixture.sessions.endRefused(() => false);
    one.receive(requests.call('Ping', ''));
    await fixture.clock.advanceAsync(2 * second);
    expect([first, other, late].map(({ said }) => said.at(-1))).toEqual(Array(3).fill('unwelcome'));
  });

  test('may idle for ever once their worker has logged in, on whichever connection', async () => {
    const login = fixture.connect(Buffer.concat([requests.preamble(), requests.call('Login', apiKey)]));
    const idle = fixture.connect(new RequestWriter().preamble());
    await fixture.clock.advanceAsync(3_600 * second);
    expect([login.destroyed, idle.destroyed]).toEqual([false, false]);
  });

  test('may go on asking without ever logging in', async () => {
    const stream = fixture.connect(requests.preamble());
    for (let call = 0; call < 10; call++) {
      stream.receive(requests.call('GetKey', 'apikey-1'));
      await fixture.clock.advanceAsync(60 * second);
    }
    expect(stream.destroyed).toBe(false);
    expect(answersIn(stream.written).every(({ error }) => error === 'Access Denied')).toBe(true);
    expect(answersIn(stream.written)).toHaveLength(10);
  });
});

describe('a call before the login', () => {
  test('waits two seconds for it', async () => {
    const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('GetKey', 'apikey-1')]));
    await fixture.clock.advanceAsync(1_900);
    expect(stream.written).toEqual([]);
    await fixture.clock.advanceAsync(200);
    expect(answersIn(stream.written)).toEqual([{ id: 1, error: 'Access Denied', value: undefined }]);
  });

  test('is answered in the order of the calls when it comes, each call once', async () => {
    const stream = fixture.connect(requests.preamble());
    for (let call = 0; call < 3; call++) stream.receive(requests.call('GetKey', `apikey-${call}`));
    await fixture.clock.advanceAsync(1_000);
    stream.receive(requests.call('Login', apiKey));
    await fixture.clock.advanceAsync(5_000);
    const answers = answersIn(stream.written);
    expect(answers.map(({ id }) => id)).toEqual([4, 1, 2, 3]);
    expect(answers.map(({ error }) => error)).toEqual([undefined, ...Array(3).fill('key not found')]);
    expect(fixture.clock.pendingTimers).toBeLessThan(4);
  });

  test('is forgotten with its connection', async () => {
    const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('GetKey', 'apikey-1')]));
    await fixture.settle();
    stream.destroy();
    await fixture.clock.advanceAsync(5_000);
    expect(stream.written).toEqual([]);
    expect(fixture.sessions.size).toBe(0);
  });
});

describe('rubbish', () => {
  const rubbish = () => Buffer.concat([new RequestWriter().preamble(), Buffer.from('020000', 'hex')]);

  test('ends its connection after a pause that grows with each more of one address', async () => {
    const pauses: number[] = [];
    for (const address of ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2']) {
      const stream = fixture.connect(rubbish(), address);
      await fixture.settle();
      let waitedMs = 0;
      for (; !stream.destroyed; waitedMs += 100) await fixture.clock.advanceAsync(100);
      pauses.push(waitedMs);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 1_000]);
    expect(fixture.metrics.value('causeway_connections_refused_total', { reason: 'malformed' })).toBe(4);
    const lines = fixture.log.lines.filter(({ level }) => level === 'warn');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toMatchObject({ remoteAddress: '10.0.0.1', code: 'FRAME_INVALID' });
  });

  test('is not read any further, and what came before it is answered', async () => {
    const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('Ping', '')]));
    stream.receive(Buffer.from('020000', 'hex'));
    stream.receive(requests.call('Ping', ''));
    await fixture.settle();
    expect(answersIn(stream.written)).toEqual([{ id: 1, error: undefined, value: true }]);
  });

  test('in bounds that are reached is counted by the name of the bound', async () => {
    const announced = Buffer.from('fb7fffffffff', 'hex');
    const stream = fixture.connect(Buffer.concat([requests.preamble(), announced]));
    await fixture.clock.advanceAsync(2 * second);
    expect(stream.destroyed).toBe(true);
    expect(fixture.limitHits('gobMessageBytesMax')).toBe(1);
    expect(fixture.metrics.value('causeway_connections_refused_total', { reason: 'limit' })).toBe(1);
  });

  test('of the right form: wrong types for a method are answered, many of them are the end', async () => {
    const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('Login', apiKey)]));
    for (let call = 0; call < limits.gorpcBadCallsMax; call++)
      stream.receive(requests.texts('GetKey', ['a']));
    await fixture.clock.advanceAsync(2 * second);
    expect(stream.destroyed).toBe(true);
    expect(fixture.limitHits('gorpcBadCallsMax')).toBe(1);
    expect(answersIn(stream.written)[1]?.error).toContain('unexpected request type');
  });
});

describe('a worker that takes no answers', () => {
  async function blockedConnection() {
    const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('Login', apiKey)]));
    await fixture.settle();
    const session = Buffer.from(JSON.stringify({ org_id: acme, filler: 'x'.repeat(900_000) }));
    await fixture.store.put('apikey-large', session, undefined);
    stream.blocked = true;
    return stream;
  }

  test('is read no further when too much waits for it, and again when it is taken', async () => {
    const stream = await blockedConnection();
    for (let call = 0; call < 10; call++) {
      stream.receive(requests.call('GetKey', 'apikey-large'));
      await fixture.settle();
    }
    expect(stream.isPaused()).toBe(true);
    expect(stream.writableLength).toBeLessThan(limits.gorpcUnsentBytesMax + 2_000_000);
    for (let turn = 0; turn < 20; turn++) {
      stream.unblock();
      await fixture.settle();
    }
    expect(stream.isPaused()).toBe(false);
    expect(answersIn(stream.written)).toHaveLength(11);
  });

  test('is closed when it takes nothing for minutes', async () => {
    const stream = await blockedConnection();
    stream.receive(requests.call('GetKey', 'apikey-large'));
    await fixture.clock.advanceAsync(limits.gorpcStallMaxMs - 5 * second);
    expect(stream.destroyed).toBe(false);
    await fixture.clock.advanceAsync(10 * second);
    expect(stream.destroyed).toBe(true);
    expect(fixture.limitHits('gorpcStallMaxMs')).toBe(1);
  });
});

test('answers to calls that came together leave together', async () => {
  const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('Login', apiKey)]));
  await fixture.settle();
  const before = stream.written.length;
  stream.receive(Buffer.concat(Array.from({ length: 50 }, () => requests.call('GetKey', 'apikey-none'))));
  await fixture.settle();
  expect(stream.written.length - before).toBe(1);
  expect(answersIn(stream.written)).toHaveLength(51);
});

test('too many calls in flight are read no further until some are answered', async () => {
  const stream = fixture.connect(Buffer.concat([requests.preamble(), requests.call('Login', apiKey)]));
  await fixture.settle();
  fixture.store.pause();
  const many = Array.from({ length: limits.gorpcCallsInFlightMax + 10 }, (_, index) =>
    requests.call('GetKey', `apikey-${index}`),
  );
  stream.receive(Buffer.concat(many));
  await fixture.settle();
  expect(stream.isPaused()).toBe(true);
  fixture.store.resume();
  await fixture.settle();
  expect(stream.isPaused()).toBe(false);
  expect(answersIn(stream.written)).toHaveLength(limits.gorpcCallsInFlightMax + 11);
});
