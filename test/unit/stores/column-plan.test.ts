import { describe, expect, it } from 'vitest';
import { type Column, jsonOf, planTable } from '../../../src/stores/postgres/column-plan.js';

const category: Readonly<Record<string, string>> = {
  text: 'S',
  bool: 'B',
  int8: 'N',
  timestamp: 'D',
  timestamptz: 'D',
};
const columns = (...named: string[]): Column[] =>
  named.map((one) => {
    const [name = '', type = 'text'] = one.split(' ');
    return { name, type, category: category[type] ?? 'U' };
  });
const noNames = new Map<string, string>();

function planned(table: 'apis' | 'policies' | 'users' | 'client_idps', ...named: string[]) {
  const plan = planTable(table, columns(...named), noNames);
  if (typeof plan === 'string') throw new Error(plan);
  return {
    fields: plan.selections.map(({ field, reading }) => `${field} ${reading}`),
    document: plan.document?.expression,
  };
}

describe('a column for each field', () => {
  it('maps names and kinds', () => {
    expect(
      planned(
        'apis',
        '_id',
        'api_id',
        'orgid',
        'proxy jsonb',
        'version_definition json',
        'cors jsonb',
        'use_keyless_access bool',
        'oas_doc',
        'unheard_of',
        'updated_at timestamptz',
        'session_lifetime int8',
        'expires_at timestamp',
      ),
    ).toEqual({
      fields: [
        ...['_id string', 'api_id string', 'org_id string', 'proxy json', 'definition json', 'CORS json'],
        ...[
          'use_keyless json',
          'oas_doc text',
          'unheard_of text',
          'session_lifetime json',
          'expires_at string',
        ],
      ],
      document: undefined,
    });
  });

  it('reads of people only what it needs', () => {
    expect(
      planned('users', '_id', 'orgid', 'accesskey', 'password', 'active bool', 'emailaddress').fields,
    ).toEqual(['_id string', 'org_id string', 'access_key string', 'active json', 'email_address string']);
  });
});

describe('definitions whole in one column', () => {
  it.each([
    ['apis', ['_id', 'api_id', 'name', 'api_definition jsonb', 'oas_doc'], 't."api_definition"::text'],
    ['apis', ['_id', 'data'], 't."data"::text'],
    ['apis', ['_id', 'definition bytea'], `encode(t."definition", 'hex')`],
    ['policies', ['_id', 'name', 'odd_name json'], 't."odd_name"::text'],
    ['apis', ['_id', 'proxy jsonb', 'api_definition jsonb'], 't."api_definition"::text'],
    ['client_idps', ['id', 'document jsonb'], 't."document"::text'],
  ] as const)('%s with %j', (table, named, expression) => {
    expect(planned(table, ...named).document).toBe(expression);
  });

  it('is what the operator says, or nothing', () => {
    const plan = planTable('policies', columns('_id', 'x json', 'y json'), new Map([['y', 'definition']]));
    expect(plan).toMatchObject({ document: { expression: 't."y"::text' } });
    expect(planTable('policies', columns('_id', 'x json', 'y json'), noNames)).toContain(
      'policies.definition=',
    );
    expect(planTable('policies', columns('_id'), new Map([['nowhere', 'name']]))).toContain(
      'has no column nowhere',
    );
  });
});

describe('values', () => {
  it.each([
    ['json', '{"a":9007199254740993}', '{"a":9007199254740993}'],
    ['json', 'null', undefined],
    ['json', null, undefined],
    ['string', '[x]', '"[x]"'],
    ['text', '[1, 2]', '[1, 2]'],
    ['text', '{broken', '"{broken"'],
    ['text', 'plain', '"plain"'],
    ['bytes', Buffer.from('{"a":1}').toString('hex'), '{"a":1}'],
  ] as const)('%s %s', (reading, value, json) => {
    expect(jsonOf({ expression: '', field: 'any', reading }, value)).toBe(json);
  });

  it('takes twelve bytes for an object id', () => {
    const value = '66b1a2c3d4e5f60718293a01';
    expect(jsonOf({ expression: '', field: '_id', reading: 'bytes' }, value)).toBe(`"${value}"`);
  });
});
