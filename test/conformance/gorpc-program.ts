import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { findGo } from '../services/go.js';

/** One line of the program: what a step found. */
export interface Step {
  readonly scenario: string;
  readonly step: string;
  readonly ok: boolean;
  readonly detail?: string;
}

const go = await findGo('the real gorpc client');
export const hasGo = go !== undefined;

/** The client on the real gorpc module, built once into a folder of its own. */
export class GorpcProgram {
  readonly #folder: string;
  readonly #path: string;
  readonly #running = new Set<ChildProcess>();

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'gorpc-conformance-'));
    this.#path = join(this.#folder, 'gorpc');
    execFileSync(go ?? 'go', ['build', '-o', this.#path, '.'], {
      cwd: resolve(import.meta.dirname, 'gorpc'),
      stdio: 'inherit',
    });
  }

  /** Runs scenarios to their end; `onStep` hears of each step when it is over. */
  async run(
    flags: Readonly<Record<string, string | number | boolean>>,
    scenarios: readonly string[],
    onStep: (step: Step) => void = () => {},
  ): Promise<readonly Step[]> {
    const given = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
    const child = spawn(this.#path, [...given, ...scenarios], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#running.add(child);
    const ended = new Promise<number | null>((done) => child.once('close', done));
    const steps: Step[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const step = JSON.parse(line) as Step;
      steps.push(step);
      onStep(step);
    }
    await ended;
    this.#running.delete(child);
    return steps;
  }

  dispose(): void {
    for (const child of this.#running) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Steps that failed, in a form that reads well in a failed assertion. */
export function failures(steps: readonly Step[]): readonly string[] {
  return steps
    .filter(({ ok }) => !ok)
    .map(({ scenario, step, detail }) => `${scenario} / ${step}: ${detail ?? ''}`);
}
