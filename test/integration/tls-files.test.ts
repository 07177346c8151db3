import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SystemClock } from '../../src/telemetry/system-clock.js';
import { WorkerListener } from '../../src/transport/listener/worker-listener.js';
import { TlsFiles, type TlsFilesOptions } from '../../src/transport/tls/tls-files.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { recordingMetrics } from '../memory/recording-metrics.js';
import { RecordingLog } from '../memory/silent-log.js';

const clock = new SystemClock();
const timing = { settleMs: 20, pollIntervalMs: 60_000 };
const authorities = ['first', 'second', 'rsa'].map(
  (name) => testCertificate(name as 'first' | 'second' | 'rsa').certificate,
);

let folder = '';
let log = new RecordingLog();
const cleanUps: (() => unknown)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-tls-'));
  log = new RecordingLog();
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  await rm(folder, { recursive: true });
});

describe('certificate files', () => {
  it('takes a new pair for new connections while an open one goes on', async () => {
    await install('first');
    const { port } = await startPort(pairIn(folder));
    const before = await dial(port);
    expect(subjectOf(before)).toBe('first');
    await install('second');
    await vi.waitFor(async () => expect(subjectOf(await dial(port))).toBe('second'), { timeout: 5_000 });
    before.write('proto2 still here');
    const [answer] = (await once(before, 'data')) as [Buffer];
    expect(answer.toString()).toBe('proto2 still here');
  });

  it('follows the symbolic link that Kubernetes swaps', async () => {
    for (const name of ['first', 'second'] as const) {
      await mkdir(join(folder, name));
      await install(name, join(folder, name));
    }
    await symlink('first', join(folder, '..data'));
    await symlink('..data/tls.crt', join(folder, 'tls.crt'));
    await symlink('..data/tls.key', join(folder, 'tls.key'));
    const { port } = await startPort(pairIn(folder));
    await symlink('second', join(folder, '..data_new'));
    await rename(join(folder, '..data_new'), join(folder, '..data'));
    await vi.waitFor(async () => expect(subjectOf(await dial(port))).toBe('second'), { timeout: 5_000 });
  });

  it('finds a change by polling where no events come', async () => {
    await install('first');
    const paths = pairIn(folder);
    // Events are watched for in the folder of the link, which does not change.
    await mkdir(join(folder, 'links'));
    await symlink(paths.certFile, join(folder, 'links', 'tls.crt'));
    await symlink(paths.keyFile, join(folder, 'links', 'tls.key'));
    const { port } = await startPort(pairIn(join(folder, 'links')), { pollIntervalMs: 30 });
    await install('second');
    await vi.waitFor(async () => expect(subjectOf(await dial(port))).toBe('second'), { timeout: 5_000 });
  });

  it('keeps the old pair when the new files do not fit, says so once, and recovers', async () => {
    await install('first');
    const { port } = await startPort(pairIn(folder), { pollIntervalMs: 30 });
    const second = testCertificate('second');
    await copyFile(second.certificateFile, join(folder, 'tls.crt'));
    await vi.waitFor(() => expect(errors()).toHaveLength(1), { timeout: 5_000 });
    expect(String(errors()[0]?.fields['error'])).toContain('does not belong');
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(errors()).toHaveLength(1);
    expect(subjectOf(await dial(port))).toBe('first');
    await copyFile(second.keyFile, join(folder, 'tls.key'));
    await vi.waitFor(async () => expect(subjectOf(await dial(port))).toBe('second'), { timeout: 5_000 });
  });

  it('chooses among several certificates by the name asked for', async () => {
    const { certificate, key } = testCertificate('second');
    const combined = join(folder, 'second.pem');
    await writeFile(combined, Buffer.concat([certificate, key]));
    await install('first');
    const { port } = await startPort({ ...pairIn(folder), certificates: [combined] });
    expect(subjectOf(await dial(port, { servername: 'second.example' }))).toBe('second');
    expect(subjectOf(await dial(port, { servername: 'localhost' }))).toBe('first');
    const unknown = await dial(port, { servername: 'unknown.example', rejectUnauthorized: false });
    expect(subjectOf(unknown)).toBe('first');
  });

  it.each([
    ['TLSv1.3', 'TLSv1.2', false],
    ['TLSv1.3', 'TLSv1.3', true],
    ['TLSv1.2', 'TLSv1.2', true],
    ['TLSv1.2', 'TLSv1.1', false],
    ['TLSv1.1', 'TLSv1.1', true],
    ['TLSv1', 'TLSv1', true],
  ] as const)('with %s at least, a client of %s gets in: %s', async (minVersion, version, works) => {
    await install('rsa');
    const { port } = await startPort({ ...pairIn(folder), minVersion });
    const old = version < 'TLSv1.2' ? { ciphers: 'DEFAULT:@SECLEVEL=0' } : {};
    const attempt = dial(port, {
      minVersion: version,
      maxVersion: version,
      servername: 'rsa.example',
      ...old,
    });
    if (works) expect((await attempt).getProtocol()).toBe(version);
    else await expect(attempt).rejects.toThrow();
  });

  it('offers the chosen ciphers, and TLS 1.3 as well', async () => {
    await install('rsa');
    const { port } = await startPort({
      ...pairIn(folder),
      ciphers: ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'TLS_RSA_WITH_RC4_128_SHA'],
    });
    const old = await dial(port, { maxVersion: 'TLSv1.2', servername: 'rsa.example' });
    expect(old.getCipher().standardName).toBe('TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384');
    expect((await dial(port, { servername: 'rsa.example' })).getProtocol()).toBe('TLSv1.3');
    const refused = dial(port, {
      maxVersion: 'TLSv1.2',
      ciphers: 'AES128-GCM-SHA256',
      servername: 'rsa.example',
    });
    await expect(refused).rejects.toThrow();
    expect(log.lines.find(({ fields }) => 'unavailable' in fields)?.fields['unavailable']).toEqual([
      'TLS_RSA_WITH_RC4_128_SHA',
    ]);
  });

  it.each([
    [
      'a missing file',
      { certFile: '/nowhere/tls.crt' },
      /certificate: cannot read \/nowhere\/tls.crt \(ENOENT\)/,
    ],
    ['no files at all', { certFile: '', keyFile: '' }, /use_ssl needs certificate.cert_file/],
    ['a key file left out', { keyFile: '' }, /certificate: a file is missing/],
    ['a pair that does not fit', { keyFile: testCertificate('second').keyFile }, /does not belong/],
    ['a key for a certificate', { certFile: testCertificate('first').keyFile }, /no certificate in PEM form/],
    [
      'a certificate for a key',
      { keyFile: testCertificate('first').certificateFile },
      /no usable private key/,
    ],
    [
      'a missing list entry',
      { certificates: ['/nowhere.pem'] },
      /ssl_certificates\[0\]: cannot read \/nowhere.pem/,
    ],
  ])('refuses to start with %s', async (_, wrong, message) => {
    const { certificateFile, keyFile } = testCertificate('first');
    const files = tlsFiles({ certFile: certificateFile, keyFile, ...wrong });
    await expect(files.start()).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringMatching(message),
    });
  });
});

function pairIn(where: string) {
  return { certFile: join(where, 'tls.crt'), keyFile: join(where, 'tls.key') };
}

async function install(name: 'first' | 'second' | 'rsa', where = folder): Promise<void> {
  const { certificateFile, keyFile } = testCertificate(name);
  await copyFile(certificateFile, join(where, 'tls.crt'));
  await copyFile(keyFile, join(where, 'tls.key'));
}

function tlsFiles(options: Partial<TlsFilesOptions>, changed: Partial<typeof timing> = {}): TlsFiles {
  return new TlsFiles(
    {
      optionPath: 'server_options',
      certFile: '',
      keyFile: '',
      certificates: [],
      minVersion: 'TLSv1.2',
      ciphers: [],
      ...options,
    },
    { log, clock, metrics: recordingMetrics() },
    { ...timing, ...changed },
  );
}

/** A worker port that echoes whatever it gets. */
async function startPort(options: Partial<TlsFilesOptions>, changed: Partial<typeof timing> = {}) {
  const files = tlsFiles(options, changed);
  await files.start();
  cleanUps.push(() => files.stop());
  const echo = {
    matches: () => 'yes' as const,
    accept: (stream: NodeJS.ReadWriteStream) => stream.pipe(stream),
  };
  const listener = new WorkerListener(
    { port: 0, host: '127.0.0.1', tls: files, handlers: { echo } },
    { log, clock, metrics: recordingMetrics() },
  );
  await listener.start();
  cleanUps.push(() => listener.stop(clock.monotonicMs()));
  return { port: listener.address().port };
}

async function dial(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authorities,
    ...options,
  });
  cleanUps.push(() => (socket as Socket).destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

function subjectOf(socket: TLSSocket): string | undefined {
  return socket.getPeerCertificate().subject.CN?.toString();
}

function errors() {
  return log.lines.filter(({ level }) => level === 'error');
}
