import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type GatewayRoot, gatewayRoots, gatewayTypes } from '../../src/domain/gateway-types/gateway-type.js';
import { findGo } from '../services/go.js';

const go = await findGo('the structures of gateways, decoded by Go');
export const hasGo = go !== undefined;

/** What a list of APIs holds besides. */
export type DecoderRoot = GatewayRoot | 'x-tyk-api-gateway' | `list-of-${GatewayRoot | 'merged'}`;

/** Go's own decoder on structures made of the table: what it refuses, a gateway refuses. */
export class GatewayDecoder {
  readonly #folder = mkdtempSync(join(tmpdir(), 'causeway-gatewaytypes-'));

  constructor() {
    cpSync(resolve(import.meta.dirname, 'gatewaytypes'), this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'types.go'), goTypes());
    execFileSync(go ?? 'go', ['build', '-o', 'decoder', '.'], { cwd: this.#folder, stdio: 'inherit' });
  }

  /** For each text whether Go decodes it: `undefined`, or what it says. */
  decode(texts: readonly (readonly [root: DecoderRoot, text: Buffer])[]): (string | undefined)[] {
    const input = Buffer.concat(
      texts.flatMap(([root, text]) => [Buffer.from(`${root} ${text.length}\n`), text]),
    );
    const run = spawnSync(join(this.#folder, 'decoder'), { input, maxBuffer: 2 ** 30, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(run.stderr);
    const answers = run.stdout.trimEnd().split('\n');
    if (answers.length !== texts.length)
      throw new Error(`${answers.length} answers to ${texts.length} texts`);
    return answers.map((answer) => (answer === 'decoded' ? undefined : answer));
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The table in Go. */
function goTypes(): string {
  const structures = Object.entries(gatewayTypes).map(([name, fields]) => {
    const lines = Object.entries(fields).map(
      ([field, words], index) => `\tF${index} ${goType(words)} \`json:${JSON.stringify(field)}\``,
    );
    return `type ${goName(name)} struct {\n${lines.join('\n')}\n}\n`;
  });
  const roots = Object.entries(gatewayRoots).map(
    ([root, { structure }]) => `\t${JSON.stringify(root)}: func() any { return new(${goName(structure)}) },`,
  );
  const handlers = ['webhook', 'custom', 'log'].map(
    (type) => `\t"${type}": func() any { return new(${goName(`oas.EventHandler.${type}`)}) },`,
  );
  return [
    'package main\n\nimport (\n\t"encoding/json"\n\t"time"\n)\n\nvar _ = json.RawMessage{}\nvar _ = time.Time{}\n',
    ...structures,
    `type api = ${goName(gatewayRoots.api.structure)}\ntype oas = ${goName(gatewayRoots.oas.structure)}\n`,
    `var roots map[string]func() any\n\nfunc init() {\n\troots = map[string]func() any{\n${roots.join('\n')}`,
    `\t"merged": func() any { return new(merged) },`,
    `\t"x-tyk-api-gateway": func() any { return new(${goName('oas.XTykAPIGateway')}) },\n\t}\n}\n`,
    `var eventHandlers = map[string]func() any{\n${handlers.join('\n')}\n}\n`,
  ].join('\n');
}

function goName(structure: string): string {
  return `T_${structure.replace(/\W/g, '_')}`;
}

function goType(words: string): string {
  const simple: Readonly<Record<string, string>> = {
    any: 'any',
    raw: 'json.RawMessage',
    time: 'time.Time',
    duration: 'duration',
    'object id': 'objectID',
    bytes: '[]byte',
    'event handler': 'eventHandler',
    'one or list of string': 'oneOrList',
    extension: 'extension[any]',
    callback: `reference[extensibleMap[*${goName('openapi3.PathItem')}]]`,
  };
  const known = simple[words];
  if (known !== undefined) return known;
  if (/^(string|bool|u?int\d*|float\d+)$/.test(words)) return words;
  const [, before = '', after = ''] =
    /^(list of |map of \w+ to |strict map of |extensible map of |struct:|reference:|bool or reference:|extension:)(.+)$/.exec(
      words,
    ) ?? [];
  switch (before) {
    case 'list of ':
      return `[]${goType(after)}`;
    case 'strict map of ':
      return `strictMap[${goType(after)}]`;
    case 'extensible map of ':
      return `*extensibleMap[${goType(after)}]`;
    case 'struct:':
      return `*${goName(after)}`;
    case 'reference:':
      return `*reference[${goName(after)}]`;
    case 'bool or reference:':
      return `boolOr[reference[${goName(after)}]]`;
    case 'extension:':
      return `extension[*${goName(after)}]`;
    default: {
      const [, keys = ''] = /^map of (\w+) to $/.exec(before) ?? [];
      if (keys === '') throw new Error(`no type of Go for ${words}`);
      return `map[${keys}]${goType(after)}`;
    }
  }
}
