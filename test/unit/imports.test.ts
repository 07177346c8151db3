import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const source = join(root, 'src');

/** Who may import whom: a room, and the rooms below it. */
const rooms: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['app'],
  ['worker'],
  ['config', 'transport', 'stores', 'telemetry'],
  ['hub'],
  ['ports'],
  ['domain'],
  ['errors', 'std'],
];

/** Drivers and servers stay behind their own door. */
const drivers: Readonly<Record<string, readonly string[]>> = {
  lmdb: ['stores/embedded'],
  '@duckdb/node-api': ['stores/embedded'],
  ioredis: ['stores/redis'],
  pg: ['stores/postgres'],
  mongodb: ['stores/mongodb'],
  bson: ['stores/mongodb'],
  '@grpc/grpc-js': ['transport/grpc'],
  '@grpc/proto-loader': ['transport/grpc'],
  '@grpc/reflection': ['transport/grpc'],
  'grpc-health-check': ['transport/grpc'],
  protobufjs: ['transport/grpc'],
  lz4: ['transport/grpc'],
  fastify: ['transport/http'],
  pino: ['telemetry'],
  'pino-pretty': ['telemetry'],
  'prom-client': ['telemetry'],
  commander: ['cli'],
};

/** Rooms whose parts do not know each other; the exceptions are shared by design. */
const siblings: Readonly<Record<string, readonly string[]>> = { transport: ['tls'], stores: [] };

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g);
  return [...found].map(([, to = '']) => ({ from: file, to }));
}

const files = readdirSync(source, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts'));
const imports = files.flatMap(importsOf);

function target({ from, to }: Import): string | undefined {
  return to.startsWith('.') ? relative(source, resolve(source, dirname(from), to)) : undefined;
}

function levelOf(path: string): number {
  const room = path.replace(/\.js$/, '.ts').split('/')[0] ?? '';
  return rooms.findIndex((level) => level.includes(room));
}

test('there is something to check', () => {
  expect(imports.length).toBeGreaterThan(300);
});

test('every source file lives in a known room', () => {
  expect(files.filter((file) => levelOf(file) === -1)).toEqual([]);
});

test('imports point one way', () => {
  const wrong = imports.filter((one) => {
    const to = target(one);
    return to !== undefined && levelOf(to) < levelOf(one.from);
  });
  expect(wrong).toEqual([]);
});

test('transports and stores do not know their siblings', () => {
  const wrong = imports.filter((one) => {
    const to = target(one);
    const [room = '', own = ''] = one.from.split('/');
    const [toRoom, other = ''] = to?.split('/') ?? [];
    if (!(room in siblings) || toRoom !== room || own === other) return false;
    return !siblings[room]?.includes(other);
  });
  expect(wrong).toEqual([]);
});

test('rooms of one level do not import each other', () => {
  const wrong = imports.filter((one) => {
    const to = target(one);
    if (to === undefined) return false;
    const [room = ''] = one.from.split('/');
    const [other = ''] = to.split('/');
    return levelOf(to) === levelOf(one.from) && room !== other;
  });
  expect(wrong).toEqual([]);
});

test('drivers are imported only in their own folder', () => {
  const wrong = imports.filter(({ from, to }) => {
    const allowed =
      drivers[to] ??
      drivers[
        to
          .split('/')
          .slice(0, to.startsWith('@') ? 2 : 1)
          .join('/')
      ];
    return allowed !== undefined && !allowed.some((folder) => from.startsWith(`${folder}/`));
  });
  expect(wrong).toEqual([]);
});

test('time and chance are passed in', () => {
  const rulesOnly = ['hub/', 'ports/', 'domain/', 'errors/', 'config/', 'transport/', 'stores/'];
  /** Adapters to something that has no port: a client's deadline, a lock between processes. */
  const adapters = ['transport/grpc/bridge-client.ts', 'stores/embedded/folder-lock.ts'];
  const wrong = files.filter((file) => {
    if (!rulesOnly.some((room) => file.startsWith(room)) || adapters.includes(file)) return false;
    const code = readFileSync(join(source, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    return /\b(Date\.now|setTimeout|setInterval|Math\.random|performance\.now)\b/.test(code);
  });
  expect(wrong).toEqual([]);
});
