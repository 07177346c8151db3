import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { allOptions } from '../../../src/config/option-index.js';
import { parseConfiguration } from '../../../src/config/parse-configuration.js';

const text = readFileSync(new URL('../../../tyk_sink.example.json', import.meta.url), 'utf8');
const parsed = parseConfiguration({ file: { path: 'tyk_sink.example.json', text }, env: {} });

test('the example file has no problem and nothing unknown, old or without effect', () => {
  expect(parsed.problems).toEqual([]);
  expect(parsed.warnings.map(({ path }) => path)).toEqual(['analytics.type']);
});

test('the example file says what the defaults say', () => {
  const defaults = parseConfiguration({ env: {} });
  expect(parsed.values).toEqual(defaults.values);
  expect(parsed.configuration).toEqual(defaults.configuration);
});

test.each(allOptions.filter((option) => option.deprecatedAliasOf === undefined))(
  'the example file has $path with its default',
  ({ path, default: expected }) => {
    const found = path
      .split('.')
      .reduce<unknown>((level, name) => (level as Record<string, unknown>)[name], JSON.parse(text));
    expect(found).toEqual(expected);
  },
);
