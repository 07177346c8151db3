import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { testCertificate } from '../fixtures/tls/paths.js';
import { findProgram, skipLoudly, tryInstall } from './availability.js';
import { freePort } from './free-port.js';
import { startWatched, type User, untilReady, type WatchedProcess, watchedFolder } from './watched.js';

/** A PostgreSQL server for one test file. It speaks TLS with the test certificate `first` and cleartext. */
export interface PostgresService {
  /** Superuser, database `postgres`. */
  readonly url: string;
  /** As the server tells it. */
  readonly version: string;
  /** Certificate to trust; undefined when the server is not ours. */
  readonly caFile: string | undefined;
  /** An empty database of its own; `drop` ends its connections. */
  createDatabase(): Promise<{ readonly url: string; readonly drop: () => Promise<void> }>;
  /** kill -9; undefined when the server is not ours. */
  readonly crash: (() => Promise<void>) | undefined;
  /** Starts again on the same port and data, after `crash`. */
  readonly restart: (() => Promise<void>) | undefined;
  stop(): Promise<void>;
}

const password = 'test-password';

/**
 * Starts a server, or uses the one of POSTGRES_URL (a user who may create databases). Undefined: there is
 * none to be had, and a line says so.
 *
 *   const postgres = await startPostgres();
 *   describe.skipIf(postgres === undefined)(...)
 *   afterAll(() => postgres?.stop())
 */
export async function startPostgres(): Promise<PostgresService | undefined> {
  const given = process.env['POSTGRES_URL'];
  if (given) return describeService(given, { caFile: undefined, stop: async () => {} });
  const programs = (await findPrograms()) ?? undefined;
  if (programs === undefined) {
    return skipLoudly('PostgreSQL', 'initdb and postgres are not installed, and POSTGRES_URL is not set');
  }
  const user = otherUser();
  const folder = await watchedFolder(user);
  const file = (name: string, content: Buffer | string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, content, { mode: 0o600 });
    if (user !== undefined) chownSync(path, user.uid, user.gid);
    return path;
  };
  const { certificate, key, certificateFile } = testCertificate('first');
  const data = join(folder.path, 'data');
  execFileSync(
    programs.initdb,
    [
      ...['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '--no-sync', '-E', 'UTF8', '--locale=C'],
      `--pwfile=${file('password', password)}`,
    ],
    { cwd: folder.path, stdio: ['ignore', 'ignore', 'pipe'], ...user },
  );
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder.path,
    fsync: 'off',
    full_page_writes: 'off',
    ssl: 'on',
    ssl_cert_file: file('server.cert.pem', certificate),
    ssl_key_file: file('server.key.pem', key),
  };
  const port = await freePort();
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const start = async (): Promise<WatchedProcess> => {
    const server = startWatched(
      programs.postgres,
      [
        ...['-D', data, '-p', String(port)],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { folder: folder.path, user, signal: 'SIGQUIT' },
    );
    await untilReady('postgres', server, () => connected(url, async () => true));
    return server;
  };
  let server = await start();
  return describeService(url, {
    caFile: certificateFile,
    crash: () => server.stop('SIGKILL'),
    restart: async () => {
      server = await start();
    },
    stop: async () => {
      await server.stop();
      await folder.remove();
    },
  });
}

async function describeService(
  url: string,
  own: {
    readonly caFile: string | undefined;
    readonly crash?: () => Promise<void>;
    readonly restart?: () => Promise<void>;
    readonly stop: () => Promise<void>;
  },
): Promise<PostgresService> {
  const version = await connected(url, async (client) => {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version ?? '';
  });
  return {
    url,
    version,
    caFile: own.caFile,
    crash: own.crash,
    restart: own.restart,
    stop: own.stop,
    createDatabase: async () => {
      const name = `causeway_test_${randomBytes(6).toString('hex')}`;
      await connected(url, (client) => client.query(`create database ${name}`));
      const of = new URL(url);
      of.pathname = `/${name}`;
      return {
        url: of.href,
        drop: async () => {
          await connected(url, (client) => client.query(`drop database if exists ${name} with (force)`));
        },
      };
    },
  };
}

async function connected<Result>(url: string, run: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

async function findPrograms(): Promise<{ readonly initdb: string; readonly postgres: string } | undefined> {
  const look = () => {
    const folders = versionsIn('/usr/lib/postgresql').map((one) => `/usr/lib/postgresql/${one}/bin`);
    const initdb = findProgram('initdb', folders);
    const postgres = findProgram('postgres', folders);
    return initdb === undefined || postgres === undefined ? undefined : { initdb, postgres };
  };
  const found = look();
  if (found !== undefined) return found;
  await tryInstall('postgresql');
  return look();
}

function versionsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort((a, b) => Number(b) - Number(a));
  } catch {
    return [];
  }
}

/** PostgreSQL refuses to run as root. */
function otherUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const ids = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout.trim());
    const [uid, gid] = ids.map(Number);
    if (uid && gid) return { uid, gid };
  }
  return undefined;
}
