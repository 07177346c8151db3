import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AnyValue, OptionEntry } from '../../../src/config/option-entry.js';
import { currentOption, optionByPath } from '../../../src/config/option-index.js';
import { parseConfiguration } from '../../../src/config/parse-configuration.js';
import { environmentText } from '../../../src/config/redact.js';

// What tyk_sink.conf has: option, environment name, type and default of each.
const rows = readFileSync(new URL('../../fixtures/config-options.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [path = '', env = '', type = '', initial = ''] = line.split('\t');
    return { path, env, type, initial };
  });

const fileTypes: Readonly<Record<string, readonly OptionEntry['type'][]>> = {
  int: ['int'],
  int64: ['int64'],
  uint: ['uint'],
  uint16: ['uint16'],
  bool: ['bool'],
  string: ['string', 'enum'],
  DBType: ['enum'],
  '[]string': ['string[]'],
  'map[string]string': ['map'],
};

function defaultOf(type: string, text: string): AnyValue {
  if (type.includes('int')) return Number(text);
  if (type === 'bool') return text === 'true';
  if (type === '[]string' || type.startsWith('map')) return JSON.parse(text) as AnyValue;
  return text;
}

/** Some right value that is not the default. */
function otherValue(option: OptionEntry): AnyValue {
  switch (option.type) {
    case 'bool':
      return !option.default;
    case 'string':
      return 'some text';
    case 'enum':
      return option.choices.find((choice) => choice !== option.default) ?? option.default;
    case 'string[]':
      return ['redis-1:6379', 'redis-2:6380'];
    case 'map':
      return { 'redis-1': '6379', 'redis-2': '6380' };
    default:
      return option.meanings === undefined ? option.default + 1 : 771;
  }
}

function nested(path: string, value: unknown): unknown {
  return path
    .split('.')
    .reverse()
    .reduce<unknown>((inner, name) => ({ [name]: inner }), value);
}

function knownOption(path: string): OptionEntry {
  const option = optionByPath.get(path);
  if (option === undefined) throw new Error(`${path} is not in the option table`);
  return option;
}

const valueAt = (values: object, path: string) => (values as Record<string, unknown>)[path];
/** Options that need others beside them in a sound configuration have problems, but never their own. */
const own = (problems: readonly { path: string; text: string }[], path: string) =>
  problems.filter((problem) => problem.text.startsWith(path) && !problem.text.includes('found nothing'));

test('the fixture is whole', () => {
  expect(rows.length).toBe(117);
});

describe.each(rows)('$path', ({ path, env, type, initial }) => {
  const option = knownOption(path);
  const current = currentOption(option).path;

  test('has its type, its default and its environment name', () => {
    expect(fileTypes[type]).toContain(option.type);
    expect(option.default).toEqual(defaultOf(type, initial));
    expect(option.env[0] ?? '').toBe(env);
    expect(valueAt(parseConfiguration({ env: {} }).values, current)).toEqual(option.default);
  });

  test('is read from a file', () => {
    const value = otherValue(option);
    const text = JSON.stringify(nested(path, value));
    const parsed = parseConfiguration({ file: { path: 'tyk_sink.conf', text }, env: {} });
    expect(own(parsed.problems, path)).toEqual([]);
    expect(valueAt(parsed.values, current)).toEqual(value);
    expect(parsed.origins.get(path)).toBe(option.default === value ? 'default' : 'file');
  });

  test.each(option.env)('is read from %s', (name) => {
    const value = otherValue(option);
    const parsed = parseConfiguration({ env: { [name]: environmentText(value) } });
    expect(own(parsed.problems, path)).toEqual([]);
    expect(valueAt(parsed.values, current)).toEqual(value);
    expect(parsed.origins.get(path)).toBe(`env ${name}`);
  });
});

test.each([
  ['TYK_MDCB_HEALTHCHECK_CACHE_RENEWAL_PERIOD', 'healthcheck.cache_renewal_period'],
  ['TYK_MDCB_STORAGE_REDISSSLCAFILE', 'storage.ca_file'],
  ['TYK_MDCB_STORAGE_REDISSSLCERTFILE', 'storage.cert_file'],
  ['TYK_MDCB_STORAGE_REDISSSLKEYFILE', 'storage.key_file'],
  ['TYK_MDCB_STORAGE_REDISSSLMINVERSION', 'storage.min_version'],
  ['TYK_MDCB_STORAGE_REDISSSLMAXVERSION', 'storage.max_version'],
  ['TYK_MDCB_SYNCWORKERCONFIG_ENABLED', 'sync_worker_config.enabled'],
  ['TYK_MDCB_SYNCWORKERCONFIG_HASHKEYS', 'sync_worker_config.hash_keys'],
  ['TYK_MDCB_SYNCWORKERCONFIG_MAXBATCHSIZE', 'sync_worker_config.max_batch_size'],
  ['TYK_MDCB_SYNCWORKERCONFIG_TIMEBETWEENBATCHES', 'sync_worker_config.time_between_batches'],
  ['TYK_MDCB_SYNCWORKERCONFIG_MAXWORKERS', 'sync_worker_config.max_workers'],
  ['TYK_MDCB_SYNCWORKERCONFIG_WARMUPTIME', 'sync_worker_config.warmup_time'],
  ['TYK_MDCB_SYNCWORKERCONFIG_GROUPKEYTTL', 'sync_worker_config.group_key_ttl'],
  ['TYK_MDCB_ENABLESEPARATEANALYTICSSTORE', 'enable_separate_analytics_store'],
  ['TYK_LOGLEVEL', 'log_level'],
])('%s is a second name of %s', (name, path) => {
  expect(knownOption(path).env.slice(1)).toContain(name);
});
