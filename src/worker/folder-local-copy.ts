import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DefinitionKey, type DefinitionKind, definitionKey } from '../domain/definition.js';
import { hashDefinition } from '../domain/definition-hash.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import { type FileWrite, makePrivateFolder, writeDurably } from './durable-file.js';
import { fileNameOf } from './file-name.js';
import {
  type HeldDefinition,
  type HeldKey,
  type HeldName,
  type LocalCopy,
  type LocalCopyChange,
  RevokedNames,
  type WorkerCursor,
} from './local-copy.js';
import {
  type Applying,
  applyingFile,
  folderOfKind,
  type HeldEntry,
  jsonBytes,
  keyBytes,
  keysFolder,
  parseJson,
  parseKey,
  readIfThere,
  type State,
  stateFile,
} from './local-copy-files.js';

export interface FolderLocalCopyOptions {
  readonly organisation: string;
  /** Used when the folder does not know one yet. */
  readonly nodeId: string;
  /** For tests that crash between two files. */
  readonly write?: typeof writeDurably;
}

/** A local copy that survives restarts and kill -9. Only one process may use a folder. */
export class FolderLocalCopy implements LocalCopy {
  readonly #folder: string;
  readonly #organisation: string;
  readonly #write: typeof writeDurably;
  readonly nodeId: string;
  readonly #definitions = new Map<DefinitionKey, HeldEntry>();
  /** Expiry by name. */
  readonly #keys = new Map<string, number | undefined>();
  readonly #revoked = new RevokedNames();
  #cursor: WorkerCursor | undefined;
  #change = 0;
  #last: Promise<void> = Promise.resolve();
  /** Names of `applying.json` that no completed state covers yet. */
  readonly #pendingPut = new Map<DefinitionKey, HeldEntry>();
  readonly #pendingRemove = new Set<DefinitionKey>();

  /** Rejects with DATA_FOLDER_UNUSABLE when it cannot be written or is another organisation's. */
  static async open(folder: string, options: FolderLocalCopyOptions): Promise<FolderLocalCopy> {
    try {
      for (const name of ['.', ...Object.values(folderOfKind), keysFolder]) {
        await makePrivateFolder(join(folder, name));
      }
      const state = parseJson(stateFile, await readIfThere(join(folder, 'state.json')));
      if (state !== undefined && state.organisation !== options.organisation) {
        throw new CausewayError(
          'DATA_FOLDER_UNUSABLE',
          `${folder} holds the copy of another organisation (${state.organisation}); choose another folder`,
        );
      }
      const copy = new FolderLocalCopy(folder, options, state);
      await copy.#load(state);
      return copy;
    } catch (thrown) {
      throw unusable(folder, thrown);
    }
  }

  private constructor(folder: string, options: FolderLocalCopyOptions, state: State | undefined) {
    this.#folder = folder;
    this.#organisation = options.organisation;
    this.#write = options.write ?? writeDurably;
    this.nodeId = state?.node_id ?? options.nodeId;
    this.#change = state?.change ?? 0;
  }

  get cursor(): WorkerCursor | undefined {
    return this.#cursor;
  }

  get revision(): number {
    return this.#revoked.revision;
  }

  definitions(): Iterable<HeldName> {
    return this.#definitions.values();
  }

  async readDefinition(kind: DefinitionKind, id: string): Promise<HeldDefinition | undefined> {
    const entry = this.#definitions.get(definitionKey(kind, id));
    if (entry === undefined) return undefined;
    const read = await this.#readBytes(entry);
    return read === undefined ? undefined : { ...entry, ...read };
  }

  keyNames(): Iterable<string> {
    return this.#keys.keys();
  }

  async readKey(name: string, nowMs: number): Promise<HeldKey | undefined> {
    if (!this.#keys.has(name)) return undefined;
    const key = parseKey(await readIfThere(this.#keyPath(name)));
    // Looked at again: it may have been revoked while it was read.
    if (key === undefined || !this.#keys.has(name)) return undefined;
    return key.expiresAtMs !== undefined && key.expiresAtMs <= nowMs ? undefined : key;
  }

  apply(change: LocalCopyChange): Promise<void> {
    const turn = this.#last.then(async () => {
      await this.#applyDefinitions(change);
      await this.#applyKeys(change);
      if (change.cursor !== undefined) await this.#complete(change.cursor);
    });
    this.#last = turn.catch(() => {});
    return turn.catch((thrown: unknown) => {
      throw unusable(this.#folder, thrown);
    });
  }

  async revoke(names: readonly string[]): Promise<void> {
    this.#revoked.note(names);
    await this.#removeKeys(names);
  }

  async #applyDefinitions(change: LocalCopyChange): Promise<void> {
    if (change.put.length + change.remove.length === 0) return;
    const put = change.put.map(entryOf);
    for (const entry of put) this.#pendingPut.set(definitionKey(entry.kind, entry.id), entry);
    for (const { kind, id } of change.remove) this.#pendingRemove.add(definitionKey(kind, id));
    const applying = {
      organisation: this.#organisation,
      change: this.#change + 1,
      put: [...this.#pendingPut.values()],
      remove: [...this.#pendingRemove],
    } satisfies Applying;
    await this.#write([{ path: join(this.#folder, 'applying.json'), bytes: jsonBytes(applying) }]);
    const files: FileWrite[] = change.put.flatMap((definition) => [
      { path: this.#bodyPath(definition), bytes: definition.body },
      { path: this.#oasPath(definition), bytes: definition.oas },
    ]);
    for (const name of change.remove) {
      files.push({ path: this.#bodyPath(name), bytes: undefined });
      files.push({ path: this.#oasPath(name), bytes: undefined });
    }
    await this.#write(files);
    for (const entry of put) this.#definitions.set(definitionKey(entry.kind, entry.id), entry);
    for (const { kind, id } of change.remove) this.#definitions.delete(definitionKey(kind, id));
  }

  async #applyKeys(change: LocalCopyChange): Promise<void> {
    await this.#removeKeys(change.removeKeys);
    const isCurrent = ({ name }: HeldKey) => !this.#revoked.isRevokedSince(name, change.keysAsOf);
    const keys = change.putKeys.filter(isCurrent);
    if (keys.length === 0) return;
    await this.#write(keys.map((key) => ({ path: this.#keyPath(key.name), bytes: keyBytes(key) })));
    for (const key of keys) if (isCurrent(key)) this.#keys.set(key.name, key.expiresAtMs);
    await this.#removeKeys(keys.filter((key) => !isCurrent(key)).map(({ name }) => name));
  }

  async #removeKeys(names: readonly string[]): Promise<void> {
    for (const name of names) this.#keys.delete(name);
    if (names.length === 0) return;
    await this.#write(names.map((name) => ({ path: this.#keyPath(name), bytes: undefined })));
  }

  async #complete(cursor: WorkerCursor): Promise<void> {
    const state: State = {
      format: 1,
      organisation: this.#organisation,
      node_id: this.nodeId,
      change: this.#change + 1,
      cursor: { epoch: cursor.epoch, sequence: cursor.sequence },
      definitions: [...this.#definitions.values()],
    };
    await this.#write([{ path: join(this.#folder, 'state.json'), bytes: jsonBytes(state) }]);
    this.#change += 1;
    this.#cursor = cursor;
    this.#pendingPut.clear();
    this.#pendingRemove.clear();
  }

  async #load(state: State | undefined): Promise<void> {
    const applying = parseJson(applyingFile, await readIfThere(join(this.#folder, 'applying.json')));
    const isPending = applying?.change === this.#change + 1 && applying.organisation === this.#organisation;
    const pending = isPending ? applying : undefined;
    const pendingPut = new Map(pending?.put.map((entry) => [definitionKey(entry.kind, entry.id), entry]));
    const pendingRemove = new Set<string>(pending?.remove);
    let damaged = false;
    const known = new Map(state?.definitions.map((entry) => [definitionKey(entry.kind, entry.id), entry]));
    for (const key of new Set([...known.keys(), ...pendingPut.keys()])) {
      const held = await this.#firstThatHolds([pendingPut.get(key), known.get(key)]);
      if (held !== undefined) this.#definitions.set(key, held);
      else if (!pendingPut.has(key) && !pendingRemove.has(key)) damaged = true;
    }
    this.#cursor = damaged ? undefined : (state?.cursor ?? undefined);
    for (const [key, entry] of pendingPut) this.#pendingPut.set(key, entry);
    for (const key of pendingRemove) this.#pendingRemove.add(key as DefinitionKey);
    await this.#removeStrays();
    await this.#loadKeys(state !== undefined);
  }

  async #firstThatHolds(entries: readonly (HeldEntry | undefined)[]): Promise<HeldEntry | undefined> {
    for (const entry of entries) {
      if (entry === undefined) continue;
      const read = await this.#readBytes(entry);
      if (read !== undefined && hashDefinition(entry.form, read.body, read.oas) === entry.hash) return entry;
    }
    return undefined;
  }

  /** What no entry stands for is a leftover of a crash, or somebody else's. */
  async #removeStrays(): Promise<void> {
    const expected = new Set<string>();
    for (const entry of this.#definitions.values()) {
      expected.add(this.#bodyPath(entry));
      if (entry.oas) expected.add(this.#oasPath(entry));
    }
    for (const folder of Object.values(folderOfKind)) {
      for (const name of await readdir(join(this.#folder, folder))) {
        const path = join(this.#folder, folder, name);
        if (!expected.has(path)) await rm(path, { force: true });
      }
    }
  }

  async #loadKeys(areOurs: boolean): Promise<void> {
    const folder = join(this.#folder, keysFolder);
    for (const file of await readdir(folder)) {
      const path = join(folder, file);
      const key = areOurs && file.endsWith('.json') ? parseKey(await readIfThere(path)) : undefined;
      if (key === undefined) await rm(path, { force: true });
      else this.#keys.set(key.name, key.expiresAtMs);
    }
  }

  async #readBytes(entry: HeldEntry): Promise<{ body: Buffer; oas: Buffer | undefined } | undefined> {
    const body = await readIfThere(this.#bodyPath(entry));
    const oas = entry.oas ? await readIfThere(this.#oasPath(entry)) : undefined;
    if (body === undefined || (entry.oas && oas === undefined)) return undefined;
    return { body, oas };
  }

  #bodyPath({ kind, id }: { readonly kind: DefinitionKind; readonly id: string }): string {
    return join(this.#folder, folderOfKind[kind], `${fileNameOf(id)}.json`);
  }

  #oasPath({ kind, id }: { readonly kind: DefinitionKind; readonly id: string }): string {
    return join(this.#folder, folderOfKind[kind], `${fileNameOf(id)}.oas.json`);
  }

  #keyPath(name: string): string {
    return join(this.#folder, keysFolder, `${fileNameOf(name)}.json`);
  }
}

function entryOf({ kind, id, hash, form, oas }: HeldDefinition): HeldEntry {
  return { kind, id, hash, form, oas: oas !== undefined };
}

function unusable(folder: string, thrown: unknown): CausewayError {
  if (thrown instanceof CausewayError) return thrown;
  return new CausewayError('DATA_FOLDER_UNUSABLE', `${folder}: ${describeError(thrown)}`, { cause: thrown });
}
