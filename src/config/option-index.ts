import type { OptionEntry } from './option-entry.js';
import { optionTable } from './option-table.js';

/** One level of the configuration file: names to options or to the next level. */
export interface Section {
  readonly path: string;
  readonly children: Map<string, Section | OptionEntry>;
}

export const allOptions: readonly OptionEntry[] = optionTable;

export const optionByPath: ReadonlyMap<string, OptionEntry> = new Map(
  allOptions.map((option) => [option.path, option]),
);

export const optionByEnvironmentName: ReadonlyMap<string, OptionEntry> = new Map(
  allOptions.flatMap((option) => option.env.map((name) => [name, option] as const)),
);

export const rootSection: Section = buildSections();

export function isSection(child: Section | OptionEntry): child is Section {
  return 'children' in child;
}

/** The option that a value of this option goes to: itself, or the new name of an old one. */
export function currentOption(option: OptionEntry): OptionEntry {
  if (option.deprecatedAliasOf === undefined) return option;
  const current = optionByPath.get(option.deprecatedAliasOf);
  if (current === undefined) throw new Error(`option table: ${option.path} is an alias of nothing`);
  return current;
}

function buildSections(): Section {
  const root: Section = { path: '', children: new Map() };
  for (const option of allOptions) {
    const names = option.path.split('.');
    const last = names.pop() ?? '';
    let section = root;
    for (const name of names) {
      const known = section.children.get(name);
      if (known !== undefined && isSection(known)) {
        section = known;
        continue;
      }
      const added: Section = { path: joinPath(section.path, name), children: new Map() };
      section.children.set(name, added);
      section = added;
    }
    section.children.set(last, option);
  }
  return root;
}

export function joinPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}.${name}`;
}
