import type { AnyValue, OptionEntry } from './option-entry.js';
import { allOptions, currentOption, optionByEnvironmentName, optionByPath } from './option-index.js';
import type { OptionValues } from './option-table.js';
import { hiddenText, hideUserinfo } from './secret-text.js';

/** One option as the HTTP port shows it. */
export interface DescribedField {
  readonly config_field: string;
  /** Empty for the few options that have no environment name. */
  readonly env: string;
  /** As it would be written in the environment. */
  readonly value: string;
  /** The value is hidden. An empty secret is shown as it is: empty. */
  readonly obfuscated: boolean;
}

/** The shape of the file. */
export interface ConfigurationTree {
  [name: string]: ConfigurationTree | AnyValue;
}

/** Every option in the shape of the file, old names included (with the value of the new one), secrets hidden. */
export function describeConfiguration(values: OptionValues): ConfigurationTree {
  const root: ConfigurationTree = {};
  for (const option of allOptions) {
    const names = option.path.split('.');
    const last = names.pop() ?? '';
    let level = root;
    for (const name of names) {
      level[name] ??= {};
      level = level[name] as ConfigurationTree;
    }
    level[last] = shownValue(option, values);
  }
  return root;
}

/** The option of that path; undefined when there is none. */
export function findField(values: OptionValues, path: string): DescribedField | undefined {
  const option = optionByPath.get(path);
  return option === undefined ? undefined : describe(option, option.env[0] ?? '', values);
}

/** The option that an environment name sets, second spellings included; undefined when there is none. */
export function findEnvironment(values: OptionValues, name: string): DescribedField | undefined {
  const option = optionByEnvironmentName.get(name);
  return option === undefined ? undefined : describe(option, name, values);
}

/** `NAME=value` for every option that has an environment name, with the value in force; secrets hidden. */
export function listEnvironment(values: OptionValues): readonly string[] {
  return allOptions.flatMap((option) => {
    const name = option.env[0];
    return name === undefined ? [] : [`${name}=${environmentText(shownValue(option, values))}`];
  });
}

function describe(option: OptionEntry, env: string, values: OptionValues): DescribedField {
  const shown = shownValue(option, values);
  return {
    config_field: option.path,
    env,
    value: environmentText(shown),
    obfuscated: shown === hiddenText,
  };
}

function shownValue(option: OptionEntry, values: OptionValues): AnyValue {
  const current = currentOption(option);
  const value: AnyValue = values[current.path as keyof OptionValues];
  if (option.secret || current.secret) return value === '' ? '' : hiddenText;
  if (typeof value === 'string') return hideUserinfo(value);
  if (isList(value)) return value.map(hideUserinfo);
  return value;
}

/** A value as the environment would carry it: `a,b` for lists, `host:port,host:port` for maps. */
export function environmentText(value: AnyValue): string {
  if (isList(value)) return value.join(',');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([host, port]) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
    .join(',');
}

function isList(value: AnyValue): value is readonly string[] {
  return Array.isArray(value);
}
