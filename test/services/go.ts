import { spawnSync } from 'node:child_process';
import { findProgram, skipLoudly, tryInstall } from './availability.js';

const look = (): string | undefined => findProgram('go', ['/usr/local/go/bin']);

/** Absolute path of Go, installed where that is possible; undefined: there is none, and a line says so. */
export async function findGo(whatFor: string): Promise<string | undefined> {
  if (look() === undefined) await tryInstall('golang-go');
  const go = look();
  if (go !== undefined && spawnSync(go, ['version'], { stdio: 'ignore' }).status === 0) return go;
  return skipLoudly(whatFor, 'Go is not installed');
}
