import { type GatewayRoot, gatewayRoots, gatewayTypes } from '../../src/domain/gateway-types/gateway-type.js';

/** Uniform in [0, 1), the same for the same seed. */
export type Chance = () => number;

/** In the place of any value: what people, tools and databases have put there. */
const damage = [
  ...['60.0', '1e+06', '1E6', '-0.0', '-0', '0e99', '0.5', '1.5e1', '12e-1', '1e400', '-1e400', '1e308'],
  ...['9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809'],
  ...[
    '18446744073709551615',
    '18446744073709551616',
    '9.223372036854775807e18',
    '9.3e18',
    '65535',
    '65536',
    '-1',
  ],
  ...[
    'true',
    'false',
    'null',
    '""',
    '"text"',
    '"5m"',
    '"60"',
    '[]',
    '{}',
    '[null]',
    '{"a":null}',
    '["a"]',
    '[1]',
  ],
  ...['"\\/5m"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\u0035m"', '"2024-02-29T23:59:59.5+01:00"'],
  ...['"2024-02-30T00:00:00Z"', '"2023-02-29T00:00:00Z"', '"2024-01-01 00:00:00"', '"2024-01-01T24:00:00Z"'],
  ...['"66b1a2c3d4e5f60718293a01"', '"66b1a2c3d4e5f60718293a0"', '"66b1a2c3d4e5f60718293a0\\u0031"'],
  ...['{"$oid":"66b1a2c3d4e5f60718293a01"}', '{"$oid":5}', '{"$ref":"#/x"}', '{"$ref":5}', '{"$ref":""}'],
  ...['[1e400]', '{"a":1e400}', '[[{"a":[1e-400]}]]', '"\xff"', `${'['.repeat(50)}${']'.repeat(50)}`],
];

/**
 * Text of a structure with some of its fields, in any order; `damaged` is how likely it is that a value is another one,
 * that a name has another case, is repeated, or is one that nobody knows.
 */
export function gatewayText(root: GatewayRoot, chance: Chance, damaged: number): Buffer {
  const { structure } = gatewayRoots[root];
  return Buffer.from(new Writer(chance, damaged).structure(structure, 0), 'latin1');
}

class Writer {
  readonly #chance: Chance;
  readonly #damaged: number;
  /** How likely it is that a whole number is written in another way. */
  readonly #respelt: number;

  constructor(chance: Chance, damaged: number) {
    this.#chance = chance;
    this.#damaged = damaged;
    this.#respelt = damaged === 0 ? 0 : 0.1;
  }

  structure(name: string, depth: number): string {
    const fields = Object.entries(gatewayTypes[name] ?? {});
    const wanted = depth === 0 ? 12 : 3;
    const members: string[] = [];
    for (const [field, words] of fields) {
      if (this.#chance() * fields.length > wanted) continue;
      const spelt = this.#nameOf(field);
      members.push(
        `${JSON.stringify(spelt)}${this.#space()}:${this.#space()}${this.#value(words, depth + 1)}`,
      );
      if (this.#isDamaged()) members.push(`${JSON.stringify(field)}:${this.#value(words, depth + 1)}`);
    }
    if (this.#isDamaged()) members.push(`"nobody knows":${this.#pick(damage)}`);
    members.sort(() => this.#chance() - 0.5);
    return this.#object(members);
  }

  #value(words: string, depth: number): string {
    if (this.#isDamaged()) return this.#pick(damage);
    if (depth > 7) return 'null';
    const [, before = '', after = ''] =
      /^(list of |map of \w+ to |strict map of |extensible map of |struct:|reference:|bool or reference:|extension:)(.+)$/.exec(
        words,
      ) ?? [];
    switch (before) {
      case '':
        return this.#scalar(words, depth);
      case 'list of ':
        return `[${this.#some(() => this.#value(after, depth + 1)).join(',')}]`;
      case 'struct:':
      case 'extension:':
        return this.structure(after, depth);
      case 'reference:':
      case 'bool or reference:':
        return this.#chance() < 0.2 ? '{"$ref":"#/components/x"}' : this.structure(after, depth);
      default: {
        const names = before.startsWith('map of int') ? ['1', '22', '-3'] : ['a', '/b', 'x-c'];
        return this.#object(
          this.#some((index) => `"${names[index] ?? index}":${this.#value(after, depth + 1)}`),
        );
      }
    }
  }

  #scalar(words: string, depth: number): string {
    switch (words) {
      case 'string':
        return this.#pick(['"x"', '""', '"caf\\u00e9 \\" \\\\ {["', '"env://NAME"']);
      case 'bool':
        return this.#pick(['true', 'false']);
      case 'any':
        return this.#pick(['{"a":[1,"b",null,{"c":1.5}]}', '7', '"x"', '[]']);
      case 'raw':
        return this.#pick(['{"a":1e999}', '[]', '"x"']);
      case 'time':
        return this.#pick(['"2024-02-29T12:00:00Z"', '"2024-02-29T12:00:00.25+02:00"', 'null']);
      case 'duration':
        return this.#pick(['"5m"', '""', '"later"']);
      case 'object id':
        return this.#pick(['"66b1a2c3d4e5f60718293a01"', '""']);
      case 'one or list of string':
        return this.#pick(['"string"', '["string","null"]']);
      case 'extension':
        return '{"streams":{"a":{}}}';
      case 'callback':
        return this.#object([`"{$request.body}":${this.structure('openapi3.PathItem', depth + 1)}`]);
      case 'event handler':
        return `{"type":${this.#pick(['"webhook"', '"custom"', '"log"', '"other"'])},"cooldownPeriod":${this.#value('duration', depth)},"functionName":${this.#value('string', depth)}}`;
      default:
        if (words.startsWith('int') && this.#chance() < this.#respelt) {
          return this.#pick(['60.0', '1e+06', '1E6', '-0.0', '1.5e1', '-20e-1']);
        }
        return words.startsWith('float') ? this.#pick(['1.5', '-2', '1e3']) : this.#pick(['0', '7', '60']);
    }
  }

  #nameOf(field: string): string {
    if (field.startsWith('x-') || !this.#isDamaged()) return field;
    return this.#pick([field.toUpperCase(), field.replace('s', '\\u017f'), field.replace('k', '\\u212a')]);
  }

  #object(members: readonly string[]): string {
    return `{${this.#space()}${members.join(`${this.#space()},`)}}`.replaceAll('\\\\u', '\\u');
  }

  #some(make: (index: number) => string): string[] {
    return Array.from({ length: Math.floor(this.#chance() * 3) }, (_, index) => make(index));
  }

  #space(): string {
    return this.#chance() < 0.05 ? ' \n\t' : '';
  }

  #isDamaged(): boolean {
    return this.#chance() < this.#damaged;
  }

  #pick(values: readonly string[]): string {
    return values[Math.floor(this.#chance() * values.length)] ?? 'null';
  }
}
