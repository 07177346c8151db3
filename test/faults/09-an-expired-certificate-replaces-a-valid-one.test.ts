import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { WorkerListener } from '../../src/transport/listener/worker-listener.js';
import { TlsFiles } from '../../src/transport/tls/tls-files.js';
import { type TestCertificate, testAuthority, testCertificate } from '../fixtures/tls/paths.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';

/** A wall clock that the test sets; everything else goes on as usual. */
class SetClock extends SystemClock {
  wallMs = Date.parse('2026-01-01');
  override nowMs(): number {
    return this.wallMs;
  }
}

let folder = '';
let clock = new SetClock();
let log = new RecordingLog();
let metrics = recordingMetrics();
const cleanUps: (() => unknown)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-rotation-'));
  clock = new SetClock();
  log = new RecordingLog();
  metrics = recordingMetrics();
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  await rm(folder, { recursive: true });
});

/** As one file with its key, put in place in one step. */
async function install(name: TestCertificate, chain: readonly Buffer[] = [], keyOf = name): Promise<void> {
  const parts = [testCertificate(name).certificate, ...chain, testCertificate(keyOf).key];
  await writeFile(join(folder, 'new.pem'), Buffer.concat(parts));
  await rename(join(folder, 'new.pem'), join(folder, 'tls.pem'));
}

async function startPort() {
  const path = join(folder, 'tls.pem');
  const files = new TlsFiles(
    {
      optionPath: 'server_options',
      certFile: path,
      keyFile: path,
      certificates: [],
      minVersion: 'TLSv1.2',
      ciphers: [],
    },
    { log, clock, metrics },
    { settleMs: 60_000, pollIntervalMs: 60_000 },
  );
  await files.start();
  cleanUps.push(() => files.stop());
  const nobody = { matches: () => 'yes' as const, accept: () => {} };
  const listener = new WorkerListener(
    { port: 0, host: '127.0.0.1', tls: files, handlers: { nobody } },
    { log, clock, metrics },
  );
  await listener.start();
  cleanUps.push(() => listener.stop(clock.monotonicMs()));
  const shown = async (): Promise<string | undefined> => {
    const { port } = listener.address();
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false });
    cleanUps.push(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().subject.CN?.toString();
  };
  return { files, shown };
}

const refusals = () =>
  log.lines.filter(({ message }) => message.startsWith('new certificate files are not usable'));
const refused = { option: 'server_options', trouble: 'refused' };

describe('at rotation', () => {
  it.each([
    ['has expired', () => install('past'), /has expired/],
    ['is not valid yet', () => install('future'), /is not valid before Jan {2}1 00:00:00 2110/],
    ["has another's key", () => install('second', [], 'first'), /does not belong/],
    ['comes with a gap in its chain', () => install('chained', [testAuthority('root')]), /chain/],
  ])('one that %s does not replace a valid one, and says so', async (_, rotate, words) => {
    await install('first');
    const { files, shown } = await startPort();
    await rotate();
    await files.reload();
    await files.reload();
    expect(await shown()).toBe('first');
    expect(refusals()).toHaveLength(1);
    expect(refusals()[0]?.level).toBe('error');
    expect(String(refusals()[0]?.fields['error'])).toMatch(words);
    expect(files.report()).toMatchObject([{ trouble: 'sound', refused: expect.stringMatching(words) }]);
    expect(metrics.value('causeway_certificates_troubled', refused)).toBe(1);
    await install('second');
    await files.reload();
    expect(await shown()).toBe('second');
    expect(metrics.value('causeway_certificates_troubled', refused)).toBe(0);
  });

  it('one that lost the intermediate does not replace the one that has it', async () => {
    await install('chained', [testAuthority('intermediate')]);
    const { files, shown } = await startPort();
    await install('renewed');
    await files.reload();
    expect(await shown()).toBe('chained');
    await install('renewed', [testAuthority('intermediate'), testAuthority('root')]);
    await files.reload();
    expect(await shown()).toBe('renewed');
  });

  it('one that was installed too early takes force when its time has come', async () => {
    await install('first');
    const { files, shown } = await startPort();
    await install('future');
    await files.reload();
    expect(await shown()).toBe('first');
    clock.wallMs = Date.parse('2110-01-02');
    await files.reload();
    expect(await shown()).toBe('future');
  });

  it('of two that are bad the better stays', async () => {
    await install('past');
    const { files, shown } = await startPort();
    expect(log.lines.find(({ message }) => message.startsWith('the certificate in force has'))?.level).toBe(
      'error',
    );
    // Both ran out by then, `first` a hundred years later.
    clock.wallMs = Date.parse('2130-01-01');
    await install('first');
    await files.reload();
    expect(await shown()).toBe('first');
    await install('past');
    await files.reload();
    expect(await shown()).toBe('first');
    // It will never be good again; the other will.
    clock.wallMs = Date.parse('2100-01-01');
    await install('future');
    await files.reload();
    expect(await shown()).toBe('first');
    clock.wallMs = Date.parse('2019-01-01');
    await install('second');
    await files.reload();
    expect(await shown()).toBe('second');
    await vi.waitFor(() => {
      const early = { option: 'server_options', trouble: 'not-yet-valid' };
      expect(metrics.value('causeway_certificates_troubled', early)).toBe(1);
    });
  });

  it('says once when the one in force runs out', async () => {
    await install('first');
    const { files } = await startPort();
    clock.wallMs = Date.parse('2121-01-01');
    for (let look = 0; look < 3; look++) await files.reload();
    const lines = log.lines.filter(({ message }) =>
      message.startsWith('the certificate in force has expired'),
    );
    expect(lines.map(({ level }) => level)).toEqual(['error']);
    const expired = { option: 'server_options', trouble: 'expired' };
    expect(metrics.value('causeway_certificates_troubled', expired)).toBe(1);
  });
});
