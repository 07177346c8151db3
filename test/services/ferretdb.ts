import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MongoClient } from 'mongodb';
import { testCertificate } from '../fixtures/tls/paths.js';
import { cacheFolder, exclusively, skipLoudly } from './availability.js';
import { freePort } from './free-port.js';
import { findGo } from './go.js';
import { startWatched, untilReady, type WatchedProcess, watchedFolder } from './watched.js';

/** A server of the MongoDB protocol for one test file. */
export interface MongoService {
  /** Without a database name: databases come into being with their first document. */
  readonly url: string;
  readonly version: string;
  /** Certificate to trust, when started with `tls`. */
  readonly caFile: string | undefined;
  /** kill -9; undefined when the server is not ours. */
  readonly crash: (() => Promise<void>) | undefined;
  /** Starts again on the same port and data, after `crash`. */
  readonly restart: (() => Promise<void>) | undefined;
  stop(): Promise<void>;
}

const source = fileURLToPath(new URL('ferretdb', import.meta.url));

/**
 * Starts FerretDB on SQLite, built from Go's module proxy the first time, or uses the server of MONGO_URL.
 * `tls`: takes TLS only, with the test certificate `first`. Undefined: there is none to be had, and a line
 * says so. Drop the databases you made when the server is shared.
 */
export async function startMongo(
  options: { readonly tls?: boolean } = {},
): Promise<MongoService | undefined> {
  const tls = options.tls === true;
  const given = process.env['MONGO_URL'];
  if (given && !tls) {
    const version = await serverVersion(given);
    return {
      url: given,
      version,
      caFile: undefined,
      crash: undefined,
      restart: undefined,
      stop: async () => {},
    };
  }
  const program = await builtProgram();
  if (program === undefined) return undefined;
  const folder = await watchedFolder();
  const { certificateFile, keyFile } = testCertificate('first');
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const url = tls
    ? `mongodb://${address}/?tls=true&tlsCAFile=${encodeURIComponent(certificateFile)}`
    : `mongodb://${address}/`;
  const start = async (): Promise<WatchedProcess> => {
    const server = startWatched(
      program,
      [
        ...['-folder', folder.path, '-listen', address],
        ...(tls ? ['-tls-certificate', certificateFile, '-tls-key', keyFile] : []),
      ],
      { folder: folder.path },
    );
    await untilReady('ferretdb', server, async () => (await serverVersion(url)) !== '');
    return server;
  };
  let server = await start();
  return {
    url: tls ? `mongodb://${address}/?tls=true` : url,
    version: await serverVersion(url),
    caFile: tls ? certificateFile : undefined,
    crash: () => server.stop('SIGKILL'),
    restart: async () => {
      server = await start();
    },
    stop: async () => {
      await server.stop();
      await folder.remove();
    },
  };
}

async function serverVersion(url: string): Promise<string> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 1_000, connectTimeoutMS: 1_000 });
  try {
    const about = await client.db('admin').command({ buildInfo: 1 });
    const ferret: unknown = about['ferretdbVersion'];
    return typeof ferret === 'string' ? `FerretDB ${ferret}` : `MongoDB ${String(about['version'])}`;
  } finally {
    await client.close();
  }
}

/** Built once per content of its source. The first build takes a minute; the Go cache makes later ones short. */
async function builtProgram(): Promise<string | undefined> {
  const digest = createHash('sha256');
  for (const file of ['main.go', 'go.mod', 'go.sum']) digest.update(readFileSync(join(source, file)));
  const program = join(cacheFolder, `ferretdb-${digest.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  const go = await findGo('the MongoDB protocol');
  if (go === undefined) return undefined;
  return exclusively('ferretdb', async () => {
    if (existsSync(program)) return program;
    const unfinished = `${program}.${process.pid}`;
    try {
      await promisify(execFile)(go, ['build', '-o', unfinished, '.'], { cwd: source, timeout: 300_000 });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return skipLoudly('the MongoDB protocol', `FerretDB could not be built: ${reason}`);
    }
    renameSync(unfinished, program);
    return program;
  });
}
