import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Organisation, User } from '../../domain/organisation.js';
import { CausewayError, describeError } from '../../errors/causeway-error.js';
import { catalogFolders, decodeFile, type FileItem } from './decode-file.js';
import { isCatalogFile } from './file-table.js';

export interface FirstStartOptions {
  /** Folder laid out as a catalog, with `keys/*.json` (session objects) besides. */
  readonly examplesPath: string;
  /** The folder to fill. Left alone unless it is missing or holds nothing at all. */
  readonly catalogPath: string;
  /** Cryptographically random bytes. */
  readonly random: (bytes: number) => Buffer;
}

/** A gateway key to put into the key store. */
export interface SeededKey {
  /** File it came from, without `.json`. */
  readonly label: string;
  readonly organisation: string;
  /** Secret. What a client of a gateway sends. */
  readonly key: string;
  /** Secret. Raw name in the key space, keys unhashed: `apikey-<key>`. */
  readonly name: string;
  /** The session object. */
  readonly value: Buffer;
  /** Undefined: never expires. */
  readonly ttlMs: number | undefined;
}

export interface FirstStart {
  /** The main organisation: the first hybrid-enabled one, by name of its file. */
  readonly organisation: string;
  /** Secret. API key of its first active user. */
  readonly apiKey: string;
  readonly keys: readonly SeededKey[];
  /** Puts the catalog in its place. Call it last, when the keys are stored and the credentials written down. */
  readonly commit: () => Promise<void>;
}

const placeholder = /\$\{random\}/g;
/** 128 bits; written in hex like the keys that a dashboard makes. */
const secretBytes = 16;

/** What was generated, kept beside the staged catalog until it is in place. */
const stagedSecrets = z.object({
  organisation: z.string(),
  apiKey: z.string(),
  keys: z.array(
    z.object({ label: z.string(), organisation: z.string(), key: z.string(), session: z.string() }),
  ),
});
type StagedSecrets = z.infer<typeof stagedSecrets>;

/**
 * Fills an empty catalog folder from the examples. Undefined: there is one already, and nothing was touched.
 * Rejects with DATA_FOLDER_UNUSABLE when the folder cannot be written.
 *
 * A process may be killed at any point. Everything is made in `<catalogPath>.first-start` beside; the secrets are
 * written there last, so their file says that the rest is complete; `commit` renames the catalog into place. The
 * next start finds either nothing, and begins anew, or all of it, and goes on with the same secrets, so that keys
 * stored before the kill are those that are used.
 */
export async function seedFirstStart(options: FirstStartOptions): Promise<FirstStart | undefined> {
  const stage = stageOf(options.catalogPath);
  try {
    const placing = await exists(stage.placingMark);
    if (!placing && !(await isEmpty(options.catalogPath))) {
      await rm(stage.path, { recursive: true, force: true });
      return undefined;
    }
    const secrets = (await readSecrets(stage)) ?? (await fillStage(stage, options));
    return {
      organisation: secrets.organisation,
      apiKey: secrets.apiKey,
      keys: secrets.keys.map(({ label, organisation, key, session }) => {
        return {
          label,
          organisation,
          key,
          name: `apikey-${key}`,
          value: Buffer.from(session),
          ttlMs: undefined,
        };
      }),
      commit: () => putInPlace(stage, options.catalogPath),
    };
  } catch (thrown) {
    throw unusable('the catalog folder cannot be filled from the examples', thrown);
  }
}

interface Stage {
  readonly path: string;
  readonly catalog: string;
  readonly secrets: string;
  /** Present while the catalog is copied file by file: what is in place is ours and incomplete. */
  readonly placingMark: string;
}

function stageOf(catalogPath: string): Stage {
  const path = `${catalogPath.replace(/[/\\]+$/, '')}.first-start`;
  return {
    path,
    catalog: join(path, 'catalog'),
    secrets: join(path, 'secrets.json'),
    placingMark: join(path, 'placing'),
  };
}

async function fillStage(stage: Stage, options: FirstStartOptions): Promise<StagedSecrets> {
  await rm(stage.path, { recursive: true, force: true });
  await mkdir(dirname(stage.path), { recursive: true });
  await mkdir(stage.path, { mode: 0o700 });
  const secret = () => options.random(secretBytes).toString('hex');

  const items: FileItem[] = [];
  for (const folder of catalogFolders) {
    await mkdir(join(stage.catalog, folder), { recursive: true });
    for (const name of await namesIn(join(options.examplesPath, folder))) {
      const example = await readFile(join(options.examplesPath, folder, name), 'utf8');
      const text = example.replaceAll(placeholder, secret);
      items.push(decodeFile(`${folder}/${name}`, Buffer.from(text)));
      await writeFile(join(stage.catalog, folder, name), text, { mode: folder === 'users' ? 0o600 : 0o644 });
    }
  }
  const { organisation, user } = mainOf(items);
  const keys: StagedSecrets['keys'] = [];
  for (const name of await namesIn(join(options.examplesPath, 'keys'))) {
    const session = await readFile(join(options.examplesPath, 'keys', name), 'utf8');
    const owner = z.object({ org_id: z.string() }).parse(JSON.parse(session)).org_id;
    // A key begins with its organisation's id, as those that a gateway makes.
    keys.push({ label: name.slice(0, -'.json'.length), organisation: owner, key: owner + secret(), session });
  }
  const secrets: StagedSecrets = { organisation: organisation.id, apiKey: user.accessKey, keys };
  await writeFile(`${stage.secrets}.new`, JSON.stringify(secrets), { mode: 0o600 });
  await rename(`${stage.secrets}.new`, stage.secrets);
  return secrets;
}

function mainOf(items: readonly FileItem[]): { readonly organisation: Organisation; readonly user: User } {
  for (const item of items) {
    if (item.type !== 'organisation' || !item.organisation.hybridEnabled) continue;
    for (const other of items) {
      if (other.type !== 'user' || !other.user.active || other.user.organisation !== item.organisation.id)
        continue;
      return { organisation: item.organisation, user: other.user };
    }
  }
  throw new Error('the examples have no hybrid-enabled organisation with an active user');
}

async function putInPlace(stage: Stage, catalogPath: string): Promise<void> {
  try {
    if (!(await exists(stage.placingMark)) && !(await renamed(stage.catalog, catalogPath))) {
      await writeFile(stage.placingMark, '');
    }
    if (await exists(stage.placingMark)) await copyInto(stage.catalog, catalogPath);
    await rm(stage.path, { recursive: true, force: true });
  } catch (thrown) {
    throw unusable('the catalog folder cannot be put in its place', thrown);
  }
}

async function copyInto(from: string, to: string): Promise<void> {
  for (const folder of catalogFolders) {
    await mkdir(join(to, folder), { recursive: true });
    for (const name of await namesIn(join(from, folder))) {
      await copyFile(join(from, folder, name), join(to, folder, name));
    }
  }
}

/** False where a folder cannot be replaced whole: it is a mount point, a link, or the platform does not. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (thrown) {
    const code = errorCode(thrown);
    const replaceable =
      ['EBUSY', 'EXDEV', 'EPERM', 'EACCES', 'ENOTDIR'].includes(code) && (await isEmpty(to));
    if (!replaceable) throw thrown;
    return false;
  }
}

async function readSecrets(stage: Stage): Promise<StagedSecrets | undefined> {
  if (!(await exists(stage.secrets)) || !(await exists(stage.catalog))) return undefined;
  return stagedSecrets.parse(JSON.parse(await readFile(stage.secrets, 'utf8')));
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdirIfAny(folder)).filter(isCatalogFile).sort();
}

async function isEmpty(folder: string): Promise<boolean> {
  return (await readdirIfAny(folder)).length === 0;
}

async function readdirIfAny(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}

function errorCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}

function unusable(message: string, cause: unknown): CausewayError {
  return new CausewayError('DATA_FOLDER_UNUSABLE', message, { detail: describeError(cause), cause });
}
