import type { Random } from '../simulation/random.js';

/** Records made to be trouble, as JSON texts; the same ones for the same seed. */
export function hostileRecord(organisation: string, random: Random): string {
  const pick = <Item>(items: readonly Item[]): Item => random.pick(items);
  const depth = pick([65, 100, 1_000, 20_000]);
  const nestedList = '['.repeat(depth) + ']'.repeat(depth);
  const nestedMap = '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
  const number = pick([
    '1e400',
    '-1e400',
    '1e308',
    '9223372036854775808',
    '-9223372036854775809',
    '99999999999999999999999',
    '0.1',
    '-0',
    '1E+2',
    '5e-324',
  ]);
  const text = pick([
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    '"a\\u0000b\\u0000"',
    '"\\uffff\\ufffe"',
    `"${'\\u0000'.repeat(500)}"`,
    '"\u{1f600}"',
    '"\\u202e\\u0007"',
    '""',
    '"0001-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59.999999999+23:59"',
    '"2026-02-30T00:00:00Z"',
    '"+292277026596-01-01T00:00:00Z"',
  ]);
  const value = pick([
    nestedList,
    nestedMap,
    number,
    text,
    'null',
    'true',
    '[]',
    '{}',
    '[null]',
    '{"__proto__":{"x":1}}',
    '{"":""}',
    `[${Array.from({ length: 200 }, () => number).join(',')}]`,
    `{"en":${text},"${'k'.repeat(300)}":${number}}`,
  ]);
  const field = pick([
    'tags',
    'geo',
    'geo.city.names',
    'graphql_stats',
    'timestamp',
    'expireAt',
    'response_code',
    'content_length',
    'request_time',
    'path',
    'raw_request',
    'track_path',
    'latency',
    'network',
    'day',
    '__proto__',
    'constructor',
    'unknown_field',
    'TAGS',
    'Api_Key',
  ]);
  const placed = field
    .split('.')
    .reverse()
    .reduce((inner, name) => `{${JSON.stringify(name)}:${inner}}`, value);
  const member = placed.slice(1, -1);
  const whole = pick([
    `{"org_id":"${organisation}",${member}}`,
    `{${member},"org_id":"${organisation}"}`,
    `{"org_id":"${organisation}",${member},${member}}`,
    `{"OrgID":"${organisation}","tags":["a"],${member}}`,
  ]);
  return random.chance(0.05) ? pick([nestedList, nestedMap, number, text, 'null', '[]', '{}']) : whole;
}
