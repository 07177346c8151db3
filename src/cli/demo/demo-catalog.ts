import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DefinitionKey, definitionKey } from '../../domain/definition.js';

/** What a worker should hold: exact bytes by definition. */
export type ExpectedView = ReadonlyMap<
  DefinitionKey,
  { readonly body: Buffer; readonly oas: Buffer | undefined }
>;

interface CatalogItem {
  readonly api_id?: string;
  readonly _id?: string;
  readonly client_idp_id?: string;
  readonly org_id?: string;
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly tags_disabled?: boolean;
  readonly access_key?: string;
  readonly active?: boolean;
}

const oasSuffix = '-oas.json';

/**
 * The catalog folder as its editor sees it. Works out for itself what each worker should hold, so that the
 * hub is not measured by its own opinion.
 */
export class DemoCatalog {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async viewOf(organisation: string, tags: readonly string[]): Promise<ExpectedView> {
    const view = new Map<DefinitionKey, { body: Buffer; oas: Buffer | undefined }>();
    const hasCommonTag = (item: CatalogItem) =>
      item.tags_disabled !== true && (item.tags ?? []).some((tag) => tags.includes(tag));
    for (const [file, item, body] of await this.#items('apis')) {
      if (item.org_id !== organisation || item.api_id === undefined || !hasCommonTag(item)) continue;
      const oas = await readIfThere(join(this.#folder, 'apis', file.replace('.json', oasSuffix)));
      view.set(definitionKey('api', item.api_id), { body, oas });
    }
    for (const [, item, body] of await this.#items('policies')) {
      if (item.org_id !== organisation) continue;
      view.set(definitionKey('policy', item._id ?? ''), { body, oas: undefined });
    }
    for (const [, item, body] of await this.#items('client-idps')) {
      if (item.org_id !== organisation || (item.tags?.length && !hasCommonTag(item))) continue;
      view.set(definitionKey('client-idp', item.client_idp_id ?? ''), { body, oas: undefined });
    }
    return view;
  }

  /** The API key of an active user of another organisation, and that organisation. */
  async otherUser(organisation: string): Promise<{ organisation: string; apiKey: string } | undefined> {
    const hybrid = new Set<string>();
    for (const [, , bytes] of await this.#items('organisations')) {
      const { id, hybrid_enabled: isHybrid } = JSON.parse(bytes.toString()) as Record<string, unknown>;
      if (typeof id === 'string' && isHybrid === true) hybrid.add(id);
    }
    for (const [, { org_id: owner, access_key: apiKey, active }] of await this.#items('users')) {
      if (owner === undefined || owner === organisation || apiKey === undefined) continue;
      if (active === true && hybrid.has(owner)) return { organisation: owner, apiKey };
    }
    return undefined;
  }

  /** Changes one value of an API and nothing else of its file. */
  async rename(api: string, name: string): Promise<void> {
    const path = this.#apiPath(api);
    const text = await readFile(path, 'utf8');
    const { name: before } = JSON.parse(text) as CatalogItem;
    await replaceFile(
      path,
      text.replace(`"name": ${JSON.stringify(before)}`, `"name": ${JSON.stringify(name)}`),
    );
  }

  /** A new API, made from the file of another. */
  async add(api: string, like: string, tags: readonly string[]): Promise<void> {
    const model = JSON.parse(await readFile(this.#apiPath(like), 'utf8')) as Record<string, unknown>;
    const { id: _id, ...rest } = model;
    const added = { ...rest, api_id: api, name: api, slug: api, tags };
    await replaceFile(this.#apiPath(api), `${JSON.stringify(added, undefined, 2)}\n`);
  }

  async remove(api: string): Promise<void> {
    await rm(this.#apiPath(api));
  }

  #apiPath(api: string): string {
    return join(this.#folder, 'apis', `${api}.json`);
  }

  async #items(folder: string): Promise<readonly (readonly [string, CatalogItem, Buffer])[]> {
    const items: [string, CatalogItem, Buffer][] = [];
    for (const file of await readdir(join(this.#folder, folder))) {
      if (!file.endsWith('.json') || file.endsWith(oasSuffix)) continue;
      const bytes = await readFile(join(this.#folder, folder, file));
      items.push([file, JSON.parse(bytes.toString('utf8')) as CatalogItem, bytes]);
    }
    return items;
  }
}

/** As editors do it: a whole new file under the old name. */
async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch {
    return undefined;
  }
}
