import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** For what is built once and kept between runs. */
export const cacheFolder = fileURLToPath(
  new URL('../../node_modules/.cache/causeway-services', import.meta.url),
);

/**
 * Says which tests did not run and why. With CAUSEWAY_TEST_REQUIRE_SERVICES set it is a failure, for machines
 * that are meant to run everything.
 */
export function skipLoudly(service: string, reason: string): undefined {
  const line = `SKIPPED: tests on ${service} do not run: ${reason}`;
  if (process.env['CAUSEWAY_TEST_REQUIRE_SERVICES']) throw new Error(line);
  console.warn(`\n*** ${line} ***\n`);
  // For the last lines of the run: what scrolled by is not read.
  const list = process.env['CAUSEWAY_TEST_SKIPPED_FILE'];
  if (list) appendFileSync(list, `${line}\n`);
  return undefined;
}

/** Absolute path of a program, also outside PATH in the folders given; undefined: there is none. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v -- "$1"', 'sh', name], { encoding: 'utf8' });
  if (found.status === 0) return found.stdout.trim();
  return folders
    .map((folder) => join(folder, name))
    .find((path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** Installs a Debian package where that is possible without asking anybody. Tried once per machine and day. */
export async function tryInstall(packageName: string): Promise<void> {
  if (process.getuid?.() !== 0 || findProgram('apt-get') === undefined) return;
  await exclusively(`install-${packageName}`, async () => {
    const marker = join(cacheFolder, `install-${packageName}-tried`);
    const today = new Date().toISOString().slice(0, 10);
    if (readText(marker) === today) return;
    console.warn(`installing ${packageName} for the tests`);
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const run = (args: readonly string[]) =>
      spawnSync('apt-get', args, { env: environment, stdio: 'ignore', timeout: 180_000 }).status;
    const install = ['install', '-y', '--no-install-recommends', packageName];
    if (run(install) !== 0) {
      run(['update']);
      run(install);
    }
    writeFileSync(marker, today);
  });
}

/** One process at a time, among all that run tests. A lock whose holder is dead does not count. */
export async function exclusively<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
  const lock = join(cacheFolder, `${name}.lock`);
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      const holder = Number(readText(lock));
      if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
      else {
        await new Promise((resolve) => {
          setTimeout(resolve, 100);
        });
      }
    }
  }
  try {
    return await run();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
