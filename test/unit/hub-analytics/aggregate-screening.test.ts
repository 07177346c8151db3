import { expect, test } from 'vitest';
import { organisationId } from '../../../src/domain/identifiers.js';
import { screenAggregates } from '../../../src/hub/analytics/aggregate-screening.js';

const organisation = organisationId('acme');
const screen = (text: string, kind: 'aggregate' | 'mcp-aggregate' = 'aggregate') => {
  const { payload, kept, dropped } = screenAggregates(Buffer.from(text), kind, organisation);
  return { payload: payload?.toString(), kept, dropped };
};

test('what is all the organisation’s own is kept to the byte', () => {
  const text = ' {"acme": {"OrgID":"acme", "Total": {"hits": 9007199254740993}} } ';
  expect(screen(text)).toEqual({ payload: text, kept: 1, dropped: 0 });
  expect(screen('{"acme":{}}')).toMatchObject({ kept: 1, dropped: 0 });
});

test('what is somebody else’s is cut out', () => {
  const text = '{"other":{"OrgID":"other"},"acme":{"n":9007199254740993},"x":{"OrgID":"acme"}}';
  expect(screen(text)).toEqual({ payload: '{"acme":{"n":9007199254740993}}', kept: 1, dropped: 2 });
  expect(screen('{"acme":{"OrgID":"other"}}')).toEqual({ payload: undefined, kept: 0, dropped: 1 });
  expect(screen('{"acme":null}')).toEqual({ payload: undefined, kept: 0, dropped: 1 });
});

test('aggregates by API name their organisation inside', () => {
  const text = '{"api-1":{"OrgID":"acme"},"api-2":{"org_id":"other"},"api-3":{}}';
  expect(screen(text, 'mcp-aggregate')).toEqual({
    payload: '{"api-1":{"OrgID":"acme"}}',
    kept: 1,
    dropped: 2,
  });
});

test.each(['{}', 'null'])('%s holds nothing', (text) => {
  expect(screen(text)).toEqual({ payload: undefined, kept: 0, dropped: 0 });
});

test.each(['[]', '1', '"a"', '', '{'])('"%s" is no aggregate', (text) => {
  expect(() => screen(text)).toThrow(SyntaxError);
});
