import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allOptions } from '../../../src/config/option-index.js';
import { parseConfiguration } from '../../../src/config/parse-configuration.js';
import {
  type ConfigurationTree,
  describeConfiguration,
  findEnvironment,
  findField,
  listEnvironment,
} from '../../../src/config/redact.js';

const secretOptions = allOptions.filter((option) => option.secret);
const pathsOf = (tree: ConfigurationTree, prefix = ''): string[] =>
  Object.entries(tree).flatMap(([name, value]) => {
    const path = `${prefix}${name}`;
    const isSection = allOptions.some((option) => option.path.startsWith(`${path}.`));
    return isSection ? pathsOf(value as ConfigurationTree, `${path}.`) : [path];
  });

test('every option of the field that looks like a secret is one', () => {
  const suspicious = /password|secret$|license|connection_string|mongo_url/;
  const found = allOptions.filter((option) => suspicious.test(option.path)).map((option) => option.path);
  expect(secretOptions.map((option) => option.path).sort()).toEqual(found.sort());
});

describe('what the HTTP port shows', () => {
  const { values } = parseConfiguration({
    env: {
      TYK_MDCB_STORAGE_HOST: 'localhost',
      TYK_MDCB_STORAGE_PASSWORD: 'hunter2',
      TYK_MDCB_STORAGE_ADDRS: 'a:1,b:2',
      TYK_MDCB_STORAGE_HOSTS: 'a:1,[::1]:2',
      TYK_MDCB_HTTPPORT: '8182',
    },
  });

  test('has every option in the shape of the file', () => {
    expect(pathsOf(describeConfiguration(values)).sort()).toEqual(allOptions.map(({ path }) => path).sort());
    expect(describeConfiguration(values)).toMatchObject({
      listen_port: 9091,
      healthcheck_port: 8182,
      storage: { host: 'localhost', password: '*REDACTED*', sentinel_password: '', addrs: ['a:1', 'b:2'] },
    });
  });

  test('finds one option by its path', () => {
    expect(findField(values, 'storage.host')).toEqual({
      config_field: 'storage.host',
      env: 'TYK_MDCB_STORAGE_HOST',
      value: 'localhost',
      obfuscated: false,
    });
    expect(findField(values, 'storage.password')).toMatchObject({ value: '*REDACTED*', obfuscated: true });
    expect(findField(values, 'security.secret')).toMatchObject({ value: '', obfuscated: false });
    expect(findField(values, 'storage.hosts')?.value).toBe('a:1,[::1]:2');
    expect(findField(values, 'healthcheck_port')?.value).toBe('8182');
    expect(findField(values, 'storage.debug')?.env).toBe('');
    for (const path of ['storage', 'nothing', '', '__proto__'])
      expect(findField(values, path)).toBeUndefined();
  });

  test('finds one option by any of its environment names', () => {
    expect(findEnvironment(values, 'TYK_MDCB_HTTPPORT')).toEqual({
      config_field: 'http_port',
      env: 'TYK_MDCB_HTTPPORT',
      value: '8182',
      obfuscated: false,
    });
    expect(findEnvironment(values, 'TYK_LOGLEVEL')?.config_field).toBe('log_level');
    for (const name of ['', 'PATH', 'TYK_MDCB_NOTHING'])
      expect(findEnvironment(values, name)).toBeUndefined();
  });

  test('lists every environment name with the value in force', () => {
    const list = listEnvironment(values);
    expect(list).toContain('TYK_MDCB_STORAGE_HOST=localhost');
    expect(list).toContain('TYK_MDCB_STORAGE_PASSWORD=*REDACTED*');
    expect(list).toContain('TYK_MDCB_STORAGE_ADDRS=a:1,b:2');
    expect(list).toContain('CAUSEWAY_REMOVAL_HOLD=true');
    expect(list).toHaveLength(allOptions.filter(({ env }) => env.length > 0).length);
  });
});

describe('a secret never shows', () => {
  // A recognisable core, so that a chance match with other text is no failure.
  const secret = fc.tuple(fc.string(), fc.string()).map(([before, after]) => ({
    text: `${before}S3CR3T${after}`,
    core: 'S3CR3T',
  }));
  /** The secret as the value of the option, and in shapes that are wrong there. */
  const shape = fc.constantFrom(
    (text: string): unknown => text,
    (text: string): unknown => [text],
    (text: string): unknown => ({ [text]: text }),
    (text: string): unknown => ({ inner: [text] }),
  );

  test('whether it is well given or badly, in the file, the environment or a flag', () => {
    fc.assert(
      fc.property(fc.constantFrom(...secretOptions), secret, shape, (option, { text, core }, wrap) => {
        const file: Record<string, unknown> = {};
        const [top = '', name] = option.path.split('.');
        file[top] = name === undefined ? wrap(text) : { [name]: wrap(text) };
        const env = { [option.env[0] ?? '']: text };
        const inputs = [
          { file: { path: 'tyk_sink.conf', text: JSON.stringify(file) }, env: {} },
          { env },
          { env: {}, overrides: { [option.path]: wrap(text) } },
          // Together with a broken end of the file.
          { file: { path: 'tyk_sink.conf', text: `${JSON.stringify(file)}${text}` }, env },
        ];
        for (const input of inputs) {
          const { values, problems, warnings, syntaxProblem } = parseConfiguration(input);
          const shown = JSON.stringify([
            describeConfiguration(values),
            listEnvironment(values),
            findField(values, option.path),
            option.env.map((known) => findEnvironment(values, known)),
            problems,
            warnings,
            syntaxProblem,
          ]);
          expect(shown).not.toContain(core);
        }
      }),
    );
  });

  test('nor does its length', () => {
    const shown = ['x', 'x'.repeat(500)].map((text) =>
      JSON.stringify(
        describeConfiguration(parseConfiguration({ env: { TYK_MDCB_SECURITY_SECRET: text } }).values),
      ),
    );
    expect(shown[0]).toBe(shown[1]);
  });

  test('nor a password inside an address where none belongs', () => {
    const parsed = parseConfiguration({
      env: {
        TYK_MDCB_STORAGE_HOST: 'redis://user:S3CR3T@redis',
        TYK_MDCB_STORAGE_ADDRS: ':S3CR3T@redis:6379',
      },
    });
    const shown = JSON.stringify([describeConfiguration(parsed.values), parsed.problems, parsed.warnings]);
    expect(shown).not.toContain('S3CR3T');
    expect(shown).toContain('redis://*REDACTED*@redis');
    expect(parsed.problems).toHaveLength(1);
  });
});
