import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeCatalogFolder } from '../harness/catalog-folder.js';
import { apiId, apiJson, apiKey, organisation } from '../harness/definitions.js';
import { JsonLinesProcess } from '../harness/json-lines-process.js';
import { startChild } from '../harness/start-child.js';
import { buildGoProgram } from './go-programs.js';

export interface ServerUsage {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** What is measured: the hub, or the Go server that stands for what it replaces. */
export interface GorpcServer {
  readonly name: string;
  readonly address: string;
  usage(): Promise<ServerUsage>;
  collectGarbage(): Promise<void>;
  /** Exposition text; undefined: it has none. */
  metrics(): Promise<string | undefined>;
  profile(file: string, run: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerContent {
  readonly definitions: number;
  readonly definitionBytes: number;
}

/** Keys are `apikey-1234-0`, `apikey-1234-1`... */
export const keyName = 'apikey-1234';
export const keyCount = 1_000;

/** A session as a gateway stores it, about 1 KB. */
function sessionJson(index: number): string {
  const rights = Array.from({ length: 8 }, (_, api) => [
    apiId(api),
    { api_id: apiId(api), api_name: `API ${api} of the benchmark`, versions: ['Default'] },
  ]);
  return JSON.stringify({
    org_id: organisation,
    rate: 1_000,
    per: 60,
    quota_max: -1,
    access_rights: Object.fromEntries(rights),
    meta_data: { plan: 'gold', customer: index },
  });
}

export const storedKeys = Array.from({ length: keyCount }, (_, index): [string, string] => [
  `${keyName}-${index}`,
  sessionJson(index),
]);

/** The Go reference server: gorpc as it is, answers from memory, nothing behind it. */
export async function startGoServer(folder: string, content: ServerContent): Promise<GorpcServer> {
  const file = join(folder, 'definitions.jsonl');
  const lines = Array.from({ length: content.definitions }, (_, index) =>
    apiJson(index, 0, content.definitionBytes),
  );
  await writeFile(file, lines.join('\n'));
  const keysFile = join(folder, 'keys');
  await writeFile(keysFile, storedKeys.map(([name, value]) => `${name}=${value}`).join('\n'));
  const flags = ['-org', organisation, '-key', apiKey, '-keys-file', keysFile, '-follow-stdin'];
  const program = buildGoProgram('gorpc-server', folder);
  const server = new JsonLinesProcess(program, [...flags, '-definitions-file', file]);
  const { addr } = await server.next('listening');
  return {
    name: 'Go server',
    address: String(addr),
    usage: async () => {
      server.tell('stats');
      const stats = await server.next('stats');
      return { cpuUs: Number(stats['cpu_us']), rssBytes: Number(stats['rss_bytes']) };
    },
    collectGarbage: async () => {
      server.tell('gc');
      await server.next('gc');
    },
    metrics: async () => undefined,
    profile: (_file, run) => run(),
    stop: () => server.stop(),
  };
}

/** The whole hub on its embedded stores and a catalog folder. */
export async function startHub(folder: string, content: ServerContent): Promise<GorpcServer> {
  const catalogPath = join(folder, 'catalog');
  await writeCatalogFolder(catalogPath, content);
  const hub = startChild('hub/whole-hub');
  const { port } = await hub.call<{ port: number }>('start', {
    dataPath: join(folder, 'data'),
    catalogPath,
    keys: storedKeys,
  });
  return {
    name: 'hub',
    address: `127.0.0.1:${port}`,
    usage: () => hub.usage(),
    collectGarbage: () => hub.call('collectGarbage'),
    metrics: () => hub.call<string>('metrics'),
    profile: async (file, run) => {
      await hub.call('startProfile');
      await run();
      await hub.call('stopProfile', file);
    },
    stop: async () => {
      await hub.call('stop');
      await hub.stop();
    },
  };
}
