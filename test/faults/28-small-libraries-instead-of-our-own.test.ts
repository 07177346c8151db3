import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const sources = readdirSync(join(root, 'src'), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(root, 'src', name), 'utf8') }));

function usersOf(library: string): readonly string[] {
  return sources.filter(({ text }) => text.includes(`from '${library}'`)).map(({ name }) => name);
}

describe('small libraries instead of our own', () => {
  it.each([
    ['lru-cache', 'hub/zones/fleet.ts'],
    ['picocolors', 'cli/paint.ts'],
    ['cli-table3', 'cli/text-table.ts'],
    ['string-width', 'cli/text-table.ts'],
    ['yocto-spinner', 'cli/progress.ts'],
    ['pprof-format', 'transport/http/pprof-encoding.ts'],
  ])('%s is what %s uses', (library, user) => {
    expect(usersOf(library)).toContain(user);
  });

  it('has no bounded map of its own', () => {
    // The mark of one: the first key of a map is taken to be the oldest, and deleted.
    const own = sources.filter(({ text }) => /class \w*Lru|oldest of this\.#\w+\.keys\(\)/.test(text));
    expect(own.map(({ name }) => name)).toEqual([]);
  });

  it('writes no colour codes and no protobuf of its own', () => {
    const codes = sources.filter(({ text }) => /\\u001b\[|\\x1b\[/.test(text));
    expect(codes.map(({ name }) => name)).toEqual([]);
    const varints = sources.filter(
      ({ name, text }) => name.startsWith('transport/http') && /varint/i.test(text),
    );
    expect(varints.map(({ name }) => name)).toEqual([]);
  });
});
