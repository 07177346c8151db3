import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DataFolder, openDataFolder } from '../../src/stores/embedded/data-folder.js';
import { bundleChild, type Child } from './child-process.js';
import { eventually, temporaryFolder } from './fixture.js';

describe('data folder', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let bundle: Awaited<ReturnType<typeof bundleChild>>;
  const opened: DataFolder[] = [];
  const children: Child[] = [];

  const open = async (path: string) => {
    const one = await openDataFolder(path);
    opened.push(one);
    return one;
  };
  const startChild = async (path: string) => {
    const child = bundle.start(path);
    children.push(child);
    return { child, said: await eventually('the child says something', () => child.lines[0]) };
  };

  beforeAll(async () => {
    bundle = await bundleChild('hold-folder');
  });
  afterAll(() => bundle.remove());
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map((child) => child.kill()));
    await Promise.all(opened.splice(0).map((one) => one.close()));
    await folder.remove();
  });

  it('is created for its owner alone', async () => {
    const { path } = await open(join(folder.path, 'a', 'b'));
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it('becomes private when it was empty, and keeps its mode when it was not', async () => {
    const emptyOne = join(folder.path, 'empty');
    const shared = join(folder.path, 'shared');
    await mkdir(emptyOne, { mode: 0o755 });
    await mkdir(shared, { mode: 0o755 });
    await writeFile(join(shared, 'something'), '');
    await open(emptyOne);
    await open(shared);
    expect((await stat(emptyOne)).mode & 0o777).toBe(0o700);
    expect((await stat(shared)).mode & 0o777).toBe(0o755);
  });

  it('says in one line why it cannot be used', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below')]) {
      const error = await openDataFolder(path).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'DATA_FOLDER_UNUSABLE', message: expect.stringContaining(path) });
      expect((error as Error).message).not.toContain('\n');
    }
  });

  it('is refused to a second hub, which learns who has it', async () => {
    const { child, said } = await startChild(folder.path);
    expect(said).toBe('held');
    const error = await openDataFolder(folder.path).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
    expect((error as Error).message).toContain(`process id ${child.pid}`);
    expect((error as Error).message).toContain(hostname());
  });

  it('is free at once when its holder was killed, and nothing is left behind', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { child, said } = await startChild(folder.path);
      expect(said).toBe('held');
      await child.kill();
      const one = await open(folder.path);
      expect((await readdir(folder.path)).filter((name) => name.endsWith('.sock'))).toHaveLength(1);
      await one.close();
      expect(await readdir(folder.path)).toEqual([]);
    }
  });

  it('stays held by a process that is stopped', async () => {
    const { child } = await startChild(folder.path);
    process.kill(child.pid, 'SIGSTOP');
    await expect(openDataFolder(folder.path)).rejects.toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
  });

  it('goes to exactly one of many that start at the same time', async () => {
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => openDataFolder(folder.path)));
      const held = results.filter((one) => one.status === 'fulfilled');
      for (const one of results) {
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
      }
      expect(held).toHaveLength(1);
      await held[0]?.value.close();
    }
  });

  it('goes to exactly one of several processes that start at the same time', async () => {
    const said = await Promise.all(Array.from({ length: 6 }, () => startChild(folder.path)));
    expect(said.map((one) => one.said).sort()).toEqual(
      [...Array(5).fill('DATA_FOLDER_LOCKED'), 'held'].sort(),
    );
  });

  it('may have a long path', async () => {
    const path = join(folder.path, 'x'.repeat(100), 'y'.repeat(100));
    const one = await open(path);
    await expect(openDataFolder(path)).rejects.toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
    await one.close();
    await open(path);
  });

  it('is one folder by all its names', async () => {
    await open(folder.path);
    await expect(openDataFolder(`${folder.path}/../${folder.path.split('/').pop()}/`)).rejects.toMatchObject({
      code: 'DATA_FOLDER_LOCKED',
    });
  });
});
