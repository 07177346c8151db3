import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeFolder } from '../../../src/std/make-folder.js';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'make-folder-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('creates what is missing, once', async () => {
  const path = join(root, 'a', 'b', 'c');
  expect(await makeFolder(path, 0o700)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(await makeFolder(path, 0o700)).toBe(false);
});

test('takes part with others who make the same parents', async () => {
  for (let round = 0; round < 20; round += 1) {
    const names = Array.from({ length: 8 }, (_, index) => join(root, `r${round}`, 'x', `child-${index}`));
    expect(await Promise.all(names.map((name) => makeFolder(name, 0o700)))).toEqual(names.map(() => true));
  }
});

test('refuses what cannot become a folder', async () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  await expect(makeFolder(file, 0o700)).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(file, 'below'), 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test.runIf(process.platform === 'linux')('gives up where the parent takes no folders', async () => {
  await expect(makeFolder('/proc/causeway', 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
});
