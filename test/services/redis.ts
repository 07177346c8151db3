import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisConfiguration } from '../../src/config/configuration.js';
import { testCertificate } from '../fixtures/tls/paths.js';
import { findProgram, skipLoudly, tryInstall } from './availability.js';
import { freePort } from './free-port.js';
import {
  startWatched,
  untilReady,
  type WatchedFolder,
  type WatchedProcess,
  watchedFolder,
} from './watched.js';

/** A Redis in one of the forms that operators run, for one test file. */
export interface RedisService {
  readonly name: 'standalone' | 'cluster' | 'sentinel' | 'tls';
  readonly configuration: RedisConfiguration;
  readonly version: string;
  /** Empties it. */
  flush(): Promise<void>;
  /** Shortens the life of every key by so much, which to its readers is as if the time had passed. */
  age(ms: number): Promise<void>;
  /** kill -9: of the only server, of the primary of the Sentinels, or of one node of the cluster. */
  readonly crash: (() => Promise<void>) | undefined;
  /** Starts again what `crash` ended, empty. */
  readonly restart: (() => Promise<void>) | undefined;
  /** SIGSTOP of the only server: connections stay, answers do not come. */
  readonly freeze: (() => void) | undefined;
  readonly thaw: (() => void) | undefined;
  stop(): Promise<void>;
}

/** A server process that can be killed and started again on the same port. */
interface RedisServer {
  readonly port: number;
  readonly client: Redis;
  crash(): Promise<void>;
  restart(): Promise<void>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export const redisPassword = 'test-password';
export const sentinelPassword = 'test-sentinel-password';
const masterName = 'test-primary';

/** Undefined: there is no redis-server to be had, and a line says so. */
export async function startRedis(name: RedisService['name']): Promise<RedisService | undefined> {
  const given = process.env['REDIS_URL'];
  if (given && name === 'standalone') return borrowRedis(given);
  const program = await findServer();
  if (program === undefined) {
    return skipLoudly(`Redis (${name})`, 'redis-server (or valkey-server) is not installed');
  }
  const folder = await watchedFolder();
  try {
    switch (name) {
      case 'standalone':
        return await standalone(program, folder, false);
      case 'tls':
        return await standalone(program, folder, true);
      case 'cluster':
        return await cluster(program, folder);
      case 'sentinel':
        return await sentinel(program, folder);
    }
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function findServer(): Promise<string | undefined> {
  const look = () => findProgram('redis-server') ?? findProgram('valkey-server');
  if (look() === undefined) await tryInstall('redis-server');
  return look();
}

async function standalone(program: string, folder: WatchedFolder, tls: boolean): Promise<RedisService> {
  const server = await startServer(program, folder, { tls });
  const name = tls ? 'tls' : 'standalone';
  return {
    ...(await serviceOf(name, [server], folder)),
    configuration: configurationOf([server.port], tls ? { tls: tlsOfClient() } : {}),
    crash: () => server.crash(),
    restart: () => server.restart(),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
  };
}

/** Three primaries without replicas. */
async function cluster(program: string, folder: WatchedFolder): Promise<RedisService> {
  const servers: RedisServer[] = [];
  const busPorts: number[] = [];
  for (let count = 0; count < 3; count += 1) {
    const busPort = await freePort();
    busPorts.push(busPort);
    const lines = [
      'cluster-enabled yes',
      `cluster-port ${busPort}`,
      `cluster-config-file nodes-${count}.conf`,
      'cluster-node-timeout 2000',
      'cluster-require-full-coverage no',
    ];
    servers.push(await startServer(program, folder, { lines }));
  }
  const slots = 16_384;
  const bounds = servers.map((_server, index) => Math.ceil((slots * index) / servers.length));
  const [first] = servers;
  for (const [index, server] of servers.entries()) {
    const [start = 0, end = slots] = [bounds[index], bounds[index + 1]];
    await server.client.call('CLUSTER', 'ADDSLOTSRANGE', start, end - 1);
    await server.client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    const { port } = server;
    if (index > 0) await first?.client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPorts[index] ?? 0);
  }
  await until('the cluster is whole', async () => {
    const states = await Promise.all(servers.map(({ client }) => client.cluster('INFO')));
    return states.every((state) => {
      const whole = state.includes('cluster_state:ok') && state.includes(`cluster_slots_ok:${slots}`);
      return whole && state.includes(`cluster_known_nodes:${servers.length}`);
    });
  });
  const last = servers[servers.length - 1];
  return {
    ...(await serviceOf('cluster', servers, folder)),
    configuration: configurationOf(
      servers.map(({ port }) => port),
      { enableCluster: true },
    ),
    crash: async () => last?.crash(),
    restart: async () => last?.restart(),
  };
}

/** A primary, a replica and three Sentinels with a password of their own. */
async function sentinel(program: string, folder: WatchedFolder): Promise<RedisService> {
  const lines = [`masterauth ${redisPassword}`, 'repl-diskless-sync yes', 'repl-diskless-sync-delay 0'];
  const primary = await startServer(program, folder, { lines });
  const replica = await startServer(program, folder, {
    lines: [...lines, `replicaof 127.0.0.1 ${primary.port}`],
  });
  await until('the replica follows', async () => {
    return (await replica.client.info('replication')).includes('master_link_status:up');
  });
  const sentinels: RedisServer[] = [];
  for (let count = 0; count < 3; count += 1) {
    sentinels.push(
      await startServer(program, folder, {
        password: sentinelPassword,
        sentinel: true,
        lines: [
          `sentinel sentinel-pass ${sentinelPassword}`,
          `sentinel monitor ${masterName} 127.0.0.1 ${primary.port} 2`,
          `sentinel auth-pass ${masterName} ${redisPassword}`,
          `sentinel down-after-milliseconds ${masterName} 700`,
          `sentinel failover-timeout ${masterName} 3000`,
        ],
      }),
    );
  }
  await until('the Sentinels know each other and the replica', async () => {
    const views = await Promise.all(sentinels.map(({ client }) => masterOf(client)));
    return views.every((view) => view.get('num-other-sentinels') === '2' && view.get('num-slaves') === '1');
  });
  const service = await serviceOf('sentinel', [primary, replica, ...sentinels], folder);
  const primaryNow = async () => {
    const [one] = sentinels;
    const port = one === undefined ? '' : (await masterOf(one.client)).get('port');
    return port === String(replica.port) ? replica : primary;
  };
  let crashed = primary;
  return {
    ...service,
    configuration: configurationOf(
      sentinels.map(({ port }) => port),
      { masterName, sentinelPassword },
    ),
    flush: async () => {
      await (await primaryNow()).client.flushall();
    },
    age: async (ms) => ageKeys((await primaryNow()).client, ms),
    crash: async () => {
      crashed = await primaryNow();
      await crashed.crash();
    },
    restart: () => crashed.restart(),
  };
}

async function masterOf(client: Redis): Promise<ReadonlyMap<string, string>> {
  const pairs = (await client.call('SENTINEL', 'MASTER', masterName)) as readonly string[];
  return new Map(pairs.flatMap((name, index) => (index % 2 === 0 ? [[name, pairs[index + 1] ?? '']] : [])));
}

async function serviceOf(
  name: RedisService['name'],
  servers: readonly RedisServer[],
  folder: WatchedFolder,
): Promise<Omit<RedisService, 'configuration'>> {
  return {
    name,
    version: await versionOf(servers[0]?.client),
    crash: undefined,
    restart: undefined,
    freeze: undefined,
    thaw: undefined,
    flush: async () => {
      await Promise.all(servers.map(({ client }) => client.flushall()));
    },
    age: async (ms) => {
      await Promise.all(servers.map(({ client }) => ageKeys(client, ms)));
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await folder.remove();
    },
  };
}

async function startServer(
  program: string,
  folder: WatchedFolder,
  options: {
    readonly tls?: boolean;
    readonly sentinel?: boolean;
    readonly password?: string;
    readonly lines?: readonly string[];
  },
): Promise<RedisServer> {
  const { tls = false, password = redisPassword, lines = [] } = options;
  const port = await freePort();
  const file = join(folder.path, `${port}.conf`);
  const ordinary = ['save ""', 'appendonly no', 'io-threads 1'];
  const content = [
    'bind 127.0.0.1',
    `dir ${folder.path}`,
    `requirepass ${password}`,
    ...(tls ? ['port 0', `tls-port ${port}`, ...tlsOfServer(folder)] : [`port ${port}`]),
    ...(options.sentinel ? [] : ordinary),
    ...lines,
  ];
  writeFileSync(file, `${content.join('\n')}\n`);
  const client = new Redis({
    host: '127.0.0.1',
    port,
    password,
    lazyConnect: true,
    connectTimeout: 2_000,
    retryStrategy: () => 50,
    maxRetriesPerRequest: 2,
    ...(tls ? { tls: tlsOfTestClient() } : {}),
  });
  client.on('error', () => {});
  const start = async (): Promise<WatchedProcess> => {
    const args = options.sentinel ? [file, '--sentinel'] : [file];
    const started = startWatched(program, args, { folder: folder.path });
    await untilReady('redis-server', started, async () => (await client.ping()) === 'PONG');
    return started;
  };
  let running = await start();
  return {
    port,
    client,
    crash: () => running.stop('SIGKILL'),
    restart: async () => {
      running = await start();
    },
    freeze: () => running.send('SIGSTOP'),
    thaw: () => running.send('SIGCONT'),
    stop: async () => {
      client.disconnect();
      await running.stop('SIGKILL');
    },
  };
}

function configurationOf(ports: readonly number[], own: Partial<RedisConfiguration>): RedisConfiguration {
  return {
    nodes: ports.map((port) => ({ host: '127.0.0.1', port })),
    enableCluster: false,
    masterName: undefined,
    sentinelPassword: undefined,
    username: undefined,
    password: redisPassword,
    database: 0,
    timeoutMs: 5_000,
    tls: undefined,
    ...own,
  };
}

/** The server shows `first` and asks for `second`. */
function tlsOfServer(folder: WatchedFolder): readonly string[] {
  const { certificateFile, keyFile } = testCertificate('first');
  const authority = join(folder.path, 'authority.pem');
  writeFileSync(authority, readFileSync(testCertificate('second').certificateFile));
  return [
    `tls-cert-file ${certificateFile}`,
    `tls-key-file ${keyFile}`,
    `tls-ca-cert-file ${authority}`,
    'tls-auth-clients yes',
  ];
}

function tlsOfClient(): NonNullable<RedisConfiguration['tls']> {
  return {
    insecureSkipVerify: false,
    caFile: testCertificate('first').certificateFile,
    certFile: testCertificate('second').certificateFile,
    keyFile: testCertificate('second').keyFile,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
  };
}

function tlsOfTestClient() {
  const { certificate, key } = testCertificate('second');
  return { ca: testCertificate('first').certificate, cert: certificate, key };
}

/** An empty database of a server that is not ours; emptied afterwards. */
async function borrowRedis(url: string): Promise<RedisService | undefined> {
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  client.on('error', () => {});
  let database = 0;
  for (let candidate = 1; candidate < 16 && database === 0; candidate += 1) {
    await client.select(candidate);
    if ((await client.dbsize()) === 0) database = candidate;
  }
  if (database === 0) {
    client.disconnect();
    return skipLoudly('Redis (standalone)', 'the server of REDIS_URL has no empty database among 1 to 15');
  }
  const { host = '127.0.0.1', port = 6379, username, password, tls } = client.options;
  if (tls !== undefined) throw new Error('REDIS_URL must be in clear: redis://');
  const flush = async () => {
    await client.flushdb();
  };
  return {
    name: 'standalone',
    version: await versionOf(client),
    configuration: {
      ...configurationOf([port], { username: username ?? undefined, password: password ?? undefined }),
      nodes: [{ host, port }],
      database,
    },
    flush,
    age: (ms) => ageKeys(client, ms),
    crash: undefined,
    restart: undefined,
    freeze: undefined,
    thaw: undefined,
    stop: async () => {
      await flush();
      client.disconnect();
    },
  };
}

async function ageKeys(client: Redis, ms: number): Promise<void> {
  for (const name of await client.keysBuffer('*')) {
    const life = await client.pttl(name);
    if (life >= 0) await client.pexpire(name, life - ms);
  }
}

async function versionOf(client: Redis | undefined): Promise<string> {
  const info = (await client?.info('server')) ?? '';
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
  return valkey === undefined ? `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}` : `Valkey ${valkey}`;
}

async function until(what: string, check: () => Promise<boolean>, deadlineMs = 20_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
