import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiId, apiJson, apiKey, organisation } from './definitions.js';

export interface CatalogContent {
  readonly definitions: number;
  readonly definitionBytes: number;
  readonly tagsOf?: (index: number) => readonly string[];
}

/** A catalog folder with one organisation, one user and as many APIs as asked for. */
export async function writeCatalogFolder(path: string, content: CatalogContent): Promise<void> {
  for (const folder of ['organisations', 'users', 'apis'])
    await mkdir(join(path, folder), { recursive: true });
  await writeJson(join(path, 'organisations', 'bench.json'), {
    id: organisation,
    owner_name: 'Benchmark',
    hybrid_enabled: true,
  });
  await writeJson(join(path, 'users', 'gateways.json'), {
    id: '5e9d9544a1dcd60001d0ed21',
    org_id: organisation,
    email_address: 'gateways@example.com',
    access_key: apiKey,
    active: true,
  });
  for (let index = 0; index < content.definitions; index += 1) {
    const tags = content.tagsOf?.(index) ?? [];
    await writeFile(apiPath(path, index), apiJson(index, 0, content.definitionBytes, tags));
  }
}

export function apiPath(path: string, index: number): string {
  return join(path, 'apis', `${apiId(index)}.json`);
}

function writeJson(path: string, value: object): Promise<void> {
  return writeFile(path, JSON.stringify(value));
}
