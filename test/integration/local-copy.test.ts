import { appendFile, cp, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { hashDefinition } from '../../src/domain/definition-hash.js';
import { writeDurably } from '../../src/worker/durable-file.js';
import { FolderLocalCopy } from '../../src/worker/folder-local-copy.js';
import type { HeldDefinition, LocalCopy, LocalCopyChange } from '../../src/worker/local-copy.js';
import { MemoryLocalCopy } from '../../src/worker/memory-local-copy.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-test-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const owner = { organisation: 'acme', nodeId: 'node-1' };

function held(id: string, text: string, oasText?: string): HeldDefinition {
  const body = Buffer.from(text);
  const oas = oasText === undefined ? undefined : Buffer.from(oasText);
  return { kind: 'api', id, form: 'plain', hash: hashDefinition('plain', body, oas), body, oas };
}

function change(parts: Partial<LocalCopyChange>): LocalCopyChange {
  const nothing = { put: [], remove: [], putKeys: [], removeKeys: [], keysAsOf: 0, cursor: undefined };
  return { ...nothing, ...parts };
}

const key = (name: string, text: string, expiresAtMs?: number) => ({
  name,
  value: Buffer.from(text),
  expiresAtMs,
});

async function contentOf(copy: LocalCopy): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const { kind, id } of copy.definitions()) {
    const read = await copy.readDefinition(kind, id);
    content[`${kind}/${id}`] = `${read?.body}${read?.oas === undefined ? '' : `+${read.oas}`}`;
  }
  return content;
}

const before = change({
  put: [held('stays', 's1'), held('edited', 'e1', 'o1'), held('loses-oas', 'l1', 'o1'), held('goes', 'g1')],
  putKeys: [key('apikey-a', 'a1'), key('apikey-b', 'b1')],
  cursor: { epoch: 'e', sequence: 10 },
});
const after = change({
  put: [held('edited', 'e2', 'o2'), held('loses-oas', 'l1'), held('new', 'n1', 'o1')],
  remove: [{ kind: 'api', id: 'goes' }],
  putKeys: [key('apikey-a', 'a2')],
  removeKeys: ['apikey-b'],
  cursor: { epoch: 'e', sequence: 20 },
});

test.each([
  ['folder', async () => FolderLocalCopy.open(await temporaryFolder(), owner)],
  ['memory', async () => new MemoryLocalCopy()],
] as const)('a %s applies changes and answers for them', async (_name, open) => {
  const copy: LocalCopy = await open();
  expect(copy.cursor).toBeUndefined();
  await copy.apply(before);
  await copy.apply(after);
  expect(await contentOf(copy)).toEqual({
    'api/stays': 's1',
    'api/edited': 'e2+o2',
    'api/loses-oas': 'l1',
    'api/new': 'n1+o1',
  });
  expect(copy.cursor).toEqual({ epoch: 'e', sequence: 20 });
  expect([...copy.keyNames()]).toEqual(['apikey-a']);
  expect((await copy.readKey('apikey-a', 0))?.value.toString()).toBe('a2');

  await copy.apply(change({ putKeys: [key('apikey-t', 't', 100)] }));
  expect(await copy.readKey('apikey-t', 99)).toBeDefined();
  expect(await copy.readKey('apikey-t', 100)).toBeUndefined();

  const keysAsOf = copy.revision;
  await copy.revoke(['apikey-a']);
  await copy.apply(change({ putKeys: [key('apikey-a', 'a3'), key('apikey-c', 'c')], keysAsOf }));
  expect(await copy.readKey('apikey-a', 0), 'an answer older than the revocation').toBeUndefined();
  expect(await copy.readKey('apikey-c', 0)).toBeDefined();
  await copy.apply(change({ putKeys: [key('apikey-a', 'a4')], keysAsOf: copy.revision }));
  expect(await copy.readKey('apikey-a', 0)).toBeDefined();
});

test('whatever moment it is killed at, repeating what follows the cursor makes it right', async () => {
  const folder = await temporaryFolder();
  const moments: string[] = [];
  const crashing: typeof writeDurably = async (writes) => {
    for (const write of writes) {
      const moment = await temporaryFolder();
      await cp(folder, moment, { recursive: true });
      if (write.bytes !== undefined) {
        await writeFile(join(moment, `${write.path.slice(folder.length)}.tmp`), write.bytes.subarray(0, 1));
      }
      moments.push(moment);
      await writeDurably([write]);
    }
  };
  await (await FolderLocalCopy.open(folder, owner)).apply(before);
  const copy = await FolderLocalCopy.open(folder, { ...owner, write: crashing });
  await copy.apply(after);
  expect(moments.length).toBeGreaterThan(10);
  for (const [index, moment] of moments.entries()) {
    const restarted = await FolderLocalCopy.open(moment, owner);
    const what = `moment ${index}`;
    expect(restarted.cursor, what).toEqual({ epoch: 'e', sequence: 10 });
    expect(restarted.nodeId).toBe('node-1');
    const content = await contentOf(restarted);
    expect(content['api/stays'], what).toBe('s1');
    for (const { kind, id, hash, form } of restarted.definitions()) {
      const read = await restarted.readDefinition(kind, id);
      expect(hashDefinition(form, read!.body, read!.oas), `${what}: ${id} is claimed as held`).toBe(hash);
    }
    expect((await readdir(join(moment, 'apis'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await restarted.apply(after);
    const again = await FolderLocalCopy.open(moment, owner);
    expect(await contentOf(again), what).toEqual(await contentOf(copy));
    expect(again.cursor).toEqual(copy.cursor);
    expect([...again.keyNames()]).toEqual([...copy.keyNames()]);
  }
});

test('a snapshot that broke off in the middle leaves the old cursor and true hashes', async () => {
  const folder = await temporaryFolder();
  const copy = await FolderLocalCopy.open(folder, owner);
  await copy.apply(before);
  await copy.apply(change({ put: [held('edited', 'e3', 'o3')] }));
  await copy.apply(change({ put: [held('more', 'm1')] }));
  const restarted = await FolderLocalCopy.open(folder, owner);
  expect(restarted.cursor).toEqual({ epoch: 'e', sequence: 10 });
  expect(await contentOf(restarted)).toMatchObject({ 'api/edited': 'e3+o3', 'api/more': 'm1' });
  await restarted.apply(change({ cursor: { epoch: 'f', sequence: 5 } }));
  expect((await FolderLocalCopy.open(folder, owner)).cursor).toEqual({ epoch: 'f', sequence: 5 });
});

test('damage from outside costs the cursor, never the truth', async () => {
  const folder = await temporaryFolder();
  await (await FolderLocalCopy.open(folder, owner)).apply(before);
  await appendFile(join(folder, 'apis', 'stays.json'), ' ');
  await writeFile(join(folder, 'apis', 'stray.json'), '{}');
  await writeFile(join(folder, 'keys', 'apikey-a.json'), 'not json');
  const copy = await FolderLocalCopy.open(folder, owner);
  expect(copy.cursor).toBeUndefined();
  expect(Object.keys(await contentOf(copy))).not.toContain('api/stays');
  expect(await readdir(join(folder, 'apis'))).not.toContain('stray.json');
  expect([...copy.keyNames()]).toEqual(['apikey-b']);

  await truncate(join(folder, 'state.json'), 10);
  const empty = await FolderLocalCopy.open(folder, owner);
  expect(empty.cursor).toBeUndefined();
  expect([...empty.keyNames()]).toEqual([]);
  expect(await contentOf(empty)).toEqual({
    'api/edited': 'e1+o1',
    'api/goes': 'g1',
    'api/loses-oas': 'l1+o1',
  });
});

test('a folder belongs to one organisation and to its owner', async () => {
  const folder = join(await temporaryFolder(), 'deep', 'er');
  await (await FolderLocalCopy.open(folder, owner)).apply(before);
  await expect(FolderLocalCopy.open(folder, { ...owner, organisation: 'other' })).rejects.toMatchObject({
    code: 'DATA_FOLDER_UNUSABLE',
  });
  for (const name of ['state.json', 'applying.json', 'apis/edited.oas.json', 'keys/apikey-a.json']) {
    expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
  }
});
