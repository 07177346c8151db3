import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { normalise } from '../../src/config/configuration.js';
import type { OptionEntry } from '../../src/config/option-entry.js';
import { allOptions } from '../../src/config/option-index.js';
import type { OptionValues } from '../../src/config/option-table.js';
import { parseConfiguration } from '../../src/config/parse-configuration.js';
import { exitCodes } from '../../src/errors/catalogue.js';
import { runCli, startCli } from '../integration/built-cli.js';
import { until } from '../integration/grpc-hub.js';

const source = resolve(import.meta.dirname, '../../src');
const options: readonly OptionEntry[] = allOptions.filter((one) => one.deprecatedAliasOf === undefined);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-options-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Every member of an object, as paths of names. */
function* leaves(
  value: unknown,
  path: readonly string[] = [],
): Generator<readonly [readonly string[], string]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    yield [path, JSON.stringify(value) ?? ''];
  else for (const [name, inner] of Object.entries(value)) yield* leaves(inner, [...path, name]);
}

/** Another value of the same type than the default. */
function otherValue(option: OptionEntry): unknown {
  switch (option.type) {
    case 'bool':
      return !option.default;
    case 'string':
      return `${option.default}-other`;
    case 'enum':
      return option.choices.find((choice) => choice !== option.default);
    case 'string[]':
      return ['127.0.0.9:1'];
    case 'map':
      return { '127.0.0.9': '1' };
    default:
      return option.meanings === undefined
        ? Math.min(option.max, option.default + 7)
        : Number(Object.keys(option.meanings).find((one) => Number(one) !== option.default));
  }
}

const defaults = Object.fromEntries(options.map((option) => [option.path, option.default]));
const valuesWith = (changes: object): OptionValues =>
  ({ ...defaults, ...changes }) as unknown as OptionValues;
/** Some only count beside another. */
const companions: Readonly<Record<string, object>> = {
  storage: { 'storage.use_ssl': true },
  analytics_storage: { enable_separate_analytics_store: true, 'analytics_storage.use_ssl': true },
};

describe('every option', () => {
  it('has somebody who reads it, or says that it has no effect, or what happens instead', async () => {
    const files = (await readdir(source, { recursive: true })).filter((name) => name.endsWith('.ts'));
    const readers = await Promise.all(
      files
        .filter((name) => !name.startsWith('config/'))
        .map(async (name) =>
          (await readFile(join(source, name), 'utf8')).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
        ),
    );
    const isRead = (path: readonly string[]) =>
      path.some((name, index) => {
        // A part that is handed on whole counts for what is in it.
        if (index === 0 && path.length > 1) return false;
        return readers.some((text) => new RegExp(`\\b${name}\\b`).test(text));
      });
    const unread: string[] = [];
    for (const option of options) {
      if (option.withoutEffect !== undefined || option.notYet !== undefined) continue;
      // Without the switch nobody reads them, and the switch says so.
      if (option.path.startsWith('analytics_storage.')) continue;
      const companion = companions[option.path.split('.')[0] ?? ''] ?? {};
      const beside = option.path in companion ? {} : companion;
      const before = new Map(
        [...leaves(normalise(valuesWith(beside)))].map(([path, text]) => [path.join('.'), text]),
      );
      const changed = [...leaves(normalise(valuesWith({ ...beside, [option.path]: otherValue(option) })))]
        .filter(([path, text]) => before.get(path.join('.')) !== text)
        .map(([path]) => path.filter((name) => !/^\d+$/.test(name)));
      if (!changed.some(isRead)) unread.push(option.path);
    }
    expect(unread).toEqual([]);
  });

  it.each(['forward_analytics_to_pump', 'sync_worker_config.enabled', 'enable_separate_analytics_store'])(
    '%s is warned of',
    (path) => {
      const option = options.find((one) => one.path === path);
      const { warnings } = parseConfiguration({
        env: {},
        overrides: { [path]: otherValue(option as OptionEntry) },
      });
      const warning = warnings.find(({ kind, text }) => kind === 'not-yet' && text.includes(path));
      expect(warning?.text).toContain('not take effect yet');
    },
  );
});

const lossy = JSON.stringify({
  storage: { type: 'embedded' },
  analytics: { type: 'embedded', table_sharding: true },
  forward_analytics_to_pump: true,
  sync_worker_config: { enabled: true },
  something_unknown: 1,
});

describe('what loses or redirects data', () => {
  it('is warned of first and in one list: at start, in check-config and in status', async () => {
    const path = join(folder, 'tyk_sink.conf');
    await writeFile(path, lossy);
    const checked = await runCli(['check-config', '-c', path, '--embedded']);
    const [first = '', second = '', third = ''] = checked.out.split('\n');
    expect(first).toMatch(
      /^not yet {2}analytics\.table_sharding, forward_analytics_to_pump do not take effect yet/,
    );
    expect(second).toMatch(/^not yet {2}sync_worker_config\.enabled does not take effect yet/);
    expect(third).toMatch(/^warning .*something_unknown/);

    const data = join(folder, 'data');
    const ports = ['--listen-port', '0', '--http-port', '0'];
    const hub = startCli(['start', '-c', path, '--embedded', '--data', data, ...ports]);
    try {
      await until(() => hub.err().includes('credentials.json'), 'start', 60_000);
      const line = JSON.parse(hub.out().split('\n')[0] ?? '{}') as { msg: string; options: string[] };
      expect(line.msg).toBe('options that lose or redirect data in this release');
      expect(line.options).toHaveLength(2);
      const status = await runCli(['status', '--data', data]);
      expect(status.out).toContain('not yet    analytics.table_sharding, forward_analytics_to_pump');
      expect(status.out).toContain(`records stored in ${join(data, 'analytics.duckdb')}`);
    } finally {
      hub.child.kill('SIGTERM');
      expect(await hub.ended).toBe(exitCodes.ok);
    }
  }, 120_000);

  it('says so of a database that takes no analytics', () => {
    const { warnings } = parseConfiguration({ env: {}, overrides: { 'analytics.type': 'postgres' } });
    expect(warnings[0]?.text).toMatch(
      /^analytics\.type takes effect for the catalog only\. Analytics are kept in the data folder/,
    );
  });
});

describe('check-config', () => {
  it.each(['sqlite', 'mysql'])('refuses analytics.type %s and does not take it for MongoDB', async (type) => {
    const { problems } = parseConfiguration({ env: { TYK_MDCB_ANALYTICSCONFIG_TYPE: type } });
    expect(problems.map(({ text }) => text)).toEqual([
      expect.stringContaining(`found string "${type}", expected one of mongo`),
    ]);
  });

  it('finds what a start would find: nothing to go by, certificates that cannot be read', async () => {
    expect((await runCli(['check-config'])).exitCode).toBe((await runCli(['start'])).exitCode);
    const path = join(folder, 'tls.conf');
    const missing = { cert_file: '/nothing/cert.pem', key_file: '/nothing/key.pem' };
    await writeFile(
      path,
      JSON.stringify({
        storage: { type: 'embedded' },
        server_options: { use_ssl: true, certificate: missing },
      }),
    );
    const checked = await runCli(['check-config', '-c', path, '--embedded']);
    const ports = ['--listen-port', '0', '--http-port', '0'];
    const started = await runCli([
      'start',
      '-c',
      path,
      '--embedded',
      '--data',
      join(folder, 'tls'),
      ...ports,
    ]);
    expect(checked.exitCode).toBe(exitCodes.certificate);
    expect(started.exitCode).toBe(exitCodes.certificate);
    expect(checked.out).toContain('/nothing/cert.pem');
  }, 60_000);

  const embedded = { type: 'embedded' };
  it.each([
    [
      'a connection string that cannot be read',
      { storage: embedded, analytics: { type: 'postgres', connection_string: 'postgres://u:p@h:no/db' } },
      'analytics.connection_string',
    ],
    [
      'the URL of something else',
      { storage: embedded, analytics: { type: 'mongo', mongo_url: 'http://host' } },
      'analytics.mongo_url',
    ],
    ['no URL at all', { storage: embedded, analytics: { type: 'mongo' } }, 'analytics.mongo_url'],
    [
      'columns that name nothing',
      {
        storage: embedded,
        analytics: { type: 'postgres', connection_string: 'postgres://u:p@127.0.0.1:1/db' },
        causeway: { catalog_columns: ['nonsense'] },
      },
      'causeway.catalog_columns',
    ],
    [
      'a file for Redis that is not there',
      {
        storage: { type: 'redis', host: '127.0.0.1', port: 1, use_ssl: true, ca_file: '/nothing' },
        analytics: embedded,
      },
      'storage.ca_file',
    ],
  ])(
    'refuses what a start refuses, by option and exit code: %s',
    async (_what, configuration, option) => {
      const name = option.replaceAll('.', '-');
      const path = join(folder, `${name}.conf`);
      await writeFile(path, JSON.stringify(configuration));
      const ports = ['--listen-port', '0', '--http-port', '0'];
      const start = ['start', '-c', path, '--data', join(folder, name), ...ports];
      const [checked, started] = await Promise.all([runCli(['check-config', '-c', path]), runCli(start)]);
      expect(started.exitCode).not.toBe(exitCodes.ok);
      expect(checked.exitCode).toBe(started.exitCode);
      expect(checked.out).toMatch(new RegExp(`^problem {2}${option}`, 'm'));
      expect(started.err).toContain(option);
    },
    60_000,
  );
});
