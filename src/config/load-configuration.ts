import { open } from 'node:fs/promises';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { ConfigurationFile } from './file-candidates.js';
import {
  type ConfigurationInput,
  type ParsedConfiguration,
  parseConfiguration,
} from './parse-configuration.js';

/** A configuration is a few kilobytes; whatever is larger is some other file. */
export const configurationFileBytesMax = 1024 * 1024;

/**
 * Reads the file, if one is named, and parses it together with environment and flags. Rejects with
 * CONFIG_UNREADABLE (no such file, no permission, not UTF-8, not JSON) or CONFIG_INVALID (all problems in
 * the message, one on each line).
 */
export async function loadConfiguration(
  input: Omit<ConfigurationInput, 'file'> & { readonly path?: string | undefined },
): Promise<ParsedConfiguration> {
  const { path, ...rest } = input;
  const file = path === undefined ? undefined : await readConfigurationFile(path);
  const parsed = parseConfiguration({ ...rest, file });
  if (parsed.syntaxProblem !== undefined) throw new CausewayError('CONFIG_UNREADABLE', parsed.syntaxProblem);
  const count = parsed.problems.length;
  if (count > 0) {
    const heading = `the configuration has ${count === 1 ? 'a problem' : `${count} problems`}:`;
    const lines = parsed.problems.map((problem) => `  ${problem.text}`);
    throw new CausewayError('CONFIG_INVALID', [heading, ...lines].join('\n'));
  }
  return parsed;
}

/** Rejects with CONFIG_UNREADABLE. */
export async function readConfigurationFile(path: string): Promise<ConfigurationFile> {
  try {
    const handle = await open(path, 'r');
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) throw new Error('it is a folder');
      const bytes = Buffer.alloc(configurationFileBytesMax + 1);
      let length = 0;
      // A pipe (`-c <(…)`) gives its bytes in pieces and has no size to ask for.
      while (length < bytes.length) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > configurationFileBytesMax) {
        throw new Error(`it is larger than ${configurationFileBytesMax} bytes`);
      }
      const text = decode(bytes.subarray(0, length));
      return { path, text };
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw new CausewayError('CONFIG_UNREADABLE', `${path}: ${explain(thrown)}`, { cause: thrown });
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8 text');
  }
}

function explain(thrown: unknown): string {
  const code = (thrown as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'this process may not read it';
  return describeError(thrown);
}
