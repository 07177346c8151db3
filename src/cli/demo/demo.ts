import type { CliContext } from '../cli-context.js';
import type { DemoOptions } from './demo-options.js';

export async function runDemo(_context: CliContext, _options: DemoOptions): Promise<number> {
  return 1;
}
