import { beforeEach, describe, expect, test } from 'vitest';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import type { BridgeConnection, BridgeStreamHandlers } from '../../../src/transport/grpc/bridge-client.js';
import { messageCodec } from '../../../src/transport/grpc/contract.js';
import type {
  ChangeMessage,
  DefinitionMessage,
  StoredKeyMessage,
  SyncRequestMessage,
  SyncResponseMessage,
} from '../../../src/transport/grpc/messages.js';
import type { LocalCopyChange } from '../../../src/worker/local-copy.js';
import { MemoryLocalCopy } from '../../../src/worker/memory-local-copy.js';
import { WorkerClient } from '../../../src/worker/worker-client.js';
import type { WorkerEvent } from '../../../src/worker/worker-event.js';
import { FakeClock, settle } from '../../memory/fake-clock.js';

const changeSet = messageCodec('ChangeSet');
const definitionSet = messageCodec('DefinitionSet');
const heartbeatIntervalMs = 1_000;

/** The hub's end of one connection, in the hands of the test. */
class HubEnd implements BridgeConnection {
  readonly sent: SyncRequestMessage[] = [];
  closed = false;
  paused = false;
  getKeys: BridgeConnection['getKeys'] = async (names) =>
    names.map((name): StoredKeyMessage => ({ name, found: true, value: Buffer.from(`of ${name}`) }));
  #handlers: BridgeStreamHandlers<SyncResponseMessage> | undefined;

  openSync(handlers: BridgeStreamHandlers<SyncResponseMessage>) {
    this.#handlers = handlers;
    return {
      send: (message: SyncRequestMessage) => void this.sent.push(message),
      pause: () => {
        this.paused = true;
      },
      resume: () => {
        this.paused = false;
      },
      end: () => handlers.ended(undefined),
    };
  }

  openAnalytics(): never {
    throw new Error('not used here');
  }

  close(): void {
    this.closed = true;
  }

  async say(...messages: readonly SyncResponseMessage[]): Promise<void> {
    for (const message of messages) this.#handlers?.message(message);
    for (let turn = 0; turn < 5; turn += 1) await settle();
  }

  async fail(code: 'HUB_UNREACHABLE' | 'API_KEY_REFUSED' | 'SESSION_REPLACED'): Promise<void> {
    this.#handlers?.ended(new CausewayError(code, 'told by the test'));
    await settle();
  }

  get acks(): readonly number[] {
    return this.sent.flatMap(({ ack }) => ack?.sequence ?? []);
  }

  get nacks(): readonly NonNullable<SyncRequestMessage['nack']>[] {
    return this.sent.flatMap(({ nack }) => nack ?? []);
  }
}

class FailingCopy extends MemoryLocalCopy {
  failures = 0;
  applied = 0;

  override async apply(change: LocalCopyChange): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new CausewayError('DATA_FOLDER_UNUSABLE', 'no space left');
    }
    this.applied += 1;
    await super.apply(change);
  }
}

const put = (sequence: number, id: string, text = '{}'): ChangeMessage => ({
  sequence,
  atMs: 0,
  put: {
    kind: 'DEFINITION_KIND_API',
    id,
    hash: `h-${text}`,
    body: Buffer.from(text),
    oas: Buffer.alloc(0),
    form: 'DEFINITION_FORM_PLAIN',
  },
});
const removed = (sequence: number, id: string): ChangeMessage => ({
  sequence,
  atMs: 0,
  removed: { kind: 'DEFINITION_KIND_API', id },
});
const key = (sequence: number, kind: string, name: string): ChangeMessage => ({
  sequence,
  atMs: 0,
  keyEvent: { kind: `KEY_EVENT_KIND_${kind}`, event: name, key: name, hashed: false },
});

function welcome(mode: 'RESUME' | 'SNAPSHOT', sequence: number, reason = 'FIRST_SYNC'): SyncResponseMessage {
  return {
    welcome: {
      compression: 'COMPRESSION_NONE',
      start: { epoch: 'e', sequence },
      mode: `SYNC_MODE_${mode}`,
      reason: `SNAPSHOT_REASON_${reason}`,
      viewDefinitions: 0,
      heartbeatIntervalMs,
      hubId: 'hub',
      hubVersion: '1',
    },
  };
}

function chunk(
  index: number,
  last: boolean,
  definitions: readonly DefinitionMessage[],
  unchanged: readonly string[] = [],
): SyncResponseMessage {
  const payload = definitionSet.write({
    definitions,
    unchanged: unchanged.map((id) => ({ kind: 'DEFINITION_KIND_API', id })),
  });
  return { snapshotChunk: { index, last, payload, uncompressedBytes: payload.length } };
}

function delta(
  afterSequence: number,
  sequence: number,
  ...changes: readonly ChangeMessage[]
): SyncResponseMessage {
  const payload = changeSet.write({ changes });
  return { delta: { afterSequence, sequence, payload, uncompressedBytes: payload.length } };
}

const heartbeat = (sequence: number): SyncResponseMessage => ({ heartbeat: { sequence, atMs: 0 } });
const definitionOf = (change: ChangeMessage): DefinitionMessage => change.put as DefinitionMessage;

let clock: FakeClock;
let copy: FailingCopy;
let hubs: HubEnd[];
let events: WorkerEvent[];
let worker: WorkerClient;

beforeEach(() => {
  clock = new FakeClock();
  copy = new FailingCopy();
  hubs = [];
  events = [];
  worker = new WorkerClient(
    {
      organisation: 'o',
      apiKey: 'k',
      nodeId: 'n',
      group: '',
      tags: [],
      segmented: false,
      codecs: ['none'],
      version: '',
      hostname: '',
      pid: 1,
      address: '',
    },
    {
      copy,
      connect: () => {
        const hub = new HubEnd();
        hubs.push(hub);
        return hub;
      },
      clock,
      random: () => 0,
      onEvent: (event) => events.push(event),
    },
  );
  worker.start();
});

const hub = () => hubs[hubs.length - 1] as HubEnd;
const types = () => events.map(({ type }) => type);
const heldIds = () => [...copy.definitions()].map(({ id }) => id).sort();
const start = () => hub().say(welcome('SNAPSHOT', 10), chunk(0, true, [definitionOf(put(0, 'a'))]));

test('says hello first, with what it holds', async () => {
  await start();
  await hub().fail('HUB_UNREACHABLE');
  await clock.advanceAsync(60_000);
  expect(hubs[0]?.sent[0]?.hello).toMatchObject({ cursor: null, held: [], node: { id: 'n' } });
  expect(hubs[1]?.sent[0]?.hello).toMatchObject({
    cursor: { epoch: 'e', sequence: 10 },
    held: [{ kind: 'DEFINITION_KIND_API', id: 'a', hash: 'h-{}' }],
  });
});

describe('a snapshot', () => {
  test('drops what is neither received nor unchanged, at its end', async () => {
    await start();
    await hub().say(welcome('SNAPSHOT', 20, 'VIEW_CHANGED'), chunk(0, false, [definitionOf(put(0, 'b'))]));
    expect(heldIds()).toEqual(['a', 'b']);
    expect(copy.cursor?.sequence).toBe(10);
    await hub().say(chunk(1, true, [definitionOf(put(0, 'c'))]));
    expect(heldIds()).toEqual(['b', 'c']);
    expect(copy.cursor?.sequence).toBe(20);
    await hub().say(welcome('SNAPSHOT', 30, 'VIEW_CHANGED'), chunk(0, true, [], ['c']));
    expect(heldIds()).toEqual(['c']);
    expect(hub().acks).toEqual([10, 20, 30]);
  });

  test('with a chunk missing ends the stream', async () => {
    await hub().say(welcome('SNAPSHOT', 10), chunk(1, true, []));
    expect(types()).toContain('disconnected');
    expect(copy.cursor).toBeUndefined();
  });

  test('after missed events makes every key held doubtful', async () => {
    await start();
    await hub().say(delta(10, 12, key(11, 'KEY_CHANGED', 'k1'), key(12, 'KEY_CHANGED', 'k2')));
    hub().getKeys = async (names) =>
      names.map((name) => ({ name, found: name === 'apikey-k1', value: Buffer.from('new') }));
    await hub().say(welcome('SNAPSHOT', 50, 'FELL_BEHIND'), chunk(0, true, []));
    expect([...copy.keyNames()]).toEqual(['apikey-k1']);
    expect((await copy.readKey('apikey-k1', 0))?.value.toString()).toBe('new');
  });

  test('that cannot be stored is refused and asked for again', async () => {
    copy.failures = 1;
    await start();
    expect(hub().nacks).toMatchObject([{ sequence: 10, error: 'no space left' }]);
    expect(types()).toEqual(['welcome', 'apply-failed', 'disconnected']);
    expect(copy.cursor).toBeUndefined();
  });
});

describe('deltas', () => {
  beforeEach(start);

  test('that wait together are applied in one go and confirmed once', async () => {
    const before = copy.applied;
    await hub().say(
      delta(10, 11, put(11, 'b')),
      delta(11, 12, put(12, 'b', '{"v":2}')),
      delta(12, 13, put(13, 'c')),
      delta(13, 14, removed(14, 'c')),
    );
    // The first one was under way when the others came.
    expect(copy.applied - before).toBeLessThanOrEqual(2);
    expect(hub().acks.slice(1).length).toBeLessThanOrEqual(2);
    expect(hub().acks.at(-1)).toBe(14);
    expect(heldIds()).toEqual(['a', 'b']);
    expect((await copy.readDefinition('api', 'b'))?.body.toString()).toBe('{"v":2}');
    expect(events.filter(({ type }) => type === 'put' || type === 'removed')).toHaveLength(5);
  });

  test('may begin before the position, never behind it', async () => {
    await hub().say(delta(3, 12, put(12, 'b')));
    expect(copy.cursor?.sequence).toBe(12);
    await hub().say(delta(13, 14, put(14, 'c')));
    expect(types().at(-1)).toBe('disconnected');
    expect(heldIds()).toEqual(['a', 'b']);
    expect(hub().closed).toBe(true);
  });

  test('that cannot be read end the stream and leave everything as it was', async () => {
    await hub().say({
      delta: { afterSequence: 10, sequence: 11, payload: Buffer.from('x'), uncompressedBytes: 9 },
    });
    expect(types().at(-1)).toBe('refused');
    expect(copy.cursor?.sequence).toBe(10);
  });

  test('are refused when they cannot be stored, and what follows waits for them', async () => {
    copy.failures = 1;
    await hub().say(delta(10, 11, put(11, 'b')));
    await hub().say(delta(11, 12, put(12, 'c')), heartbeat(12));
    expect(hub().nacks).toMatchObject([{ sequence: 11, error: 'no space left' }]);
    expect(hub().nacks[0]?.retryAfterMs).toBeGreaterThan(0);
    expect(copy.cursor?.sequence).toBe(10);
    expect(hub().acks).toEqual([10]);
    await hub().say(delta(10, 12, put(11, 'b'), put(12, 'c')), heartbeat(12));
    expect(copy.cursor?.sequence).toBe(12);
    expect(heldIds()).toEqual(['a', 'b', 'c']);
    expect(hub().acks.at(-1)).toBe(12);
  });

  test('that do not come again after a refusal are fetched by a new stream', async () => {
    copy.failures = 1;
    await hub().say(delta(10, 11, put(11, 'b')));
    for (let beats = 0; beats < 4; beats += 1) {
      await clock.advanceAsync(heartbeatIntervalMs);
      await hub().say(heartbeat(11));
    }
    expect(types()).toContain('disconnected');
    expect(copy.cursor?.sequence).toBe(10);
  });
});

describe('keys', () => {
  beforeEach(start);

  test('are dropped before they are fetched anew, and refused when that fails', async () => {
    await hub().say(delta(10, 11, key(11, 'KEY_CHANGED', 'k')));
    expect((await copy.readKey('apikey-k', 0))?.value.toString()).toBe('of apikey-k');
    hub().getKeys = async () => {
      throw new CausewayError('STORE_UNAVAILABLE', 'the store does not answer');
    };
    await hub().say(delta(11, 13, put(12, 'b'), key(13, 'KEY_CHANGED', 'k')));
    expect(await copy.readKey('apikey-k', 0)).toBeUndefined();
    expect(hub().nacks).toMatchObject([{ sequence: 13, error: 'the store does not answer' }]);
    expect(copy.cursor?.sequence).toBe(11);
  });

  test('revoked while they are fetched stay away', async () => {
    let answer = (): void => {};
    hub().getKeys = (names) =>
      new Promise((resolve) => {
        answer = () => resolve(names.map((name) => ({ name, found: true, value: Buffer.from('old') })));
      });
    await hub().say(delta(10, 11, key(11, 'KEY_CHANGED', 'k')));
    const revoked = { kind: 'KEY_EVENT_KIND_KEY_REMOVED', event: 'k', key: 'k', hashed: false };
    await hub().say({ revocation: { keyEvents: [revoked] } });
    answer();
    await hub().say();
    expect(copy.cursor?.sequence).toBe(11);
    expect(await copy.readKey('apikey-k', 0)).toBeUndefined();
  });
});

describe('heartbeats', () => {
  beforeEach(start);

  test('move the position, are confirmed, and say once that the worker is level', async () => {
    await hub().say(heartbeat(15));
    await hub().say(heartbeat(15));
    expect(copy.cursor?.sequence).toBe(15);
    expect(hub().acks).toEqual([10, 15, 15]);
    expect(types().filter((type) => type === 'level')).toHaveLength(1);
  });

  test('that stay away three times mean that the stream is dead', async () => {
    await clock.advanceAsync(3 * heartbeatIntervalMs - 1);
    expect(types()).not.toContain('disconnected');
    await clock.advanceAsync(1);
    expect(events.at(-1)).toMatchObject({ type: 'disconnected', code: 'HUB_UNREACHABLE' });
    await clock.advanceAsync(1_000);
    expect(hubs).toHaveLength(2);
  });
});

describe('reconnecting', () => {
  test('waits longer and longer, and no longer than half a minute', async () => {
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      await hub().fail('HUB_UNREACHABLE');
      const last = events.at(-1);
      const waitMs = last?.type === 'disconnected' ? last.retryInMs : 0;
      waits.push(waitMs);
      await clock.advanceAsync(waitMs);
    }
    expect(waits.slice(0, 4)).toEqual([500, 1_000, 2_000, 4_000]);
    expect(Math.max(...waits)).toBe(30_000);
  });

  test('honours a goodbye', async () => {
    await start();
    await hub().say({ goodbye: { reason: 'bye', reconnectAfterMs: 7_000 } });
    expect(events.at(-1)).toMatchObject({ type: 'disconnected', retryInMs: 7_000 });
    await clock.advanceAsync(6_999);
    expect(hubs).toHaveLength(1);
    await clock.advanceAsync(1);
    expect(hubs).toHaveLength(2);
  });

  test('after a refusal is slow and told once', async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await hub().fail('API_KEY_REFUSED');
      await clock.advanceAsync(29_999);
      expect(hubs).toHaveLength(attempt + 1);
      await clock.advanceAsync(15_001);
    }
    expect(types()).toEqual(['refused']);
    await hub().fail('SESSION_REPLACED');
    expect(types()).toEqual(['refused', 'refused']);
  });

  test('takes the API key that replaced its own', async () => {
    await start();
    const reset = {
      kind: 'KEY_EVENT_KIND_USER_KEY_RESET',
      event: 'k.new:UserKeyReset',
      key: '',
      hashed: false,
    };
    await hub().say(delta(10, 11, { sequence: 11, atMs: 0, keyEvent: reset }));
    expect(JSON.stringify(events)).not.toContain('UserKeyReset');
  });
});

test('stop closes the connection and nothing comes after it', async () => {
  await start();
  await worker.stop();
  expect(hub().closed).toBe(true);
  await clock.advanceAsync(120_000);
  expect(hubs).toHaveLength(1);
});
