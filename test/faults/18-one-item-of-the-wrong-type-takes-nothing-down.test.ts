import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitForGateways } from '../../src/domain/gateway-types/fit-for-gateways.js';
import type { GatewayRoot } from '../../src/domain/gateway-types/gateway-type.js';
import { GatewayDecoder, hasGo } from '../conformance/gateway-decoder.js';
import { gatewayText } from '../conformance/gateway-texts.js';
import { seededRandom } from '../wire/gorpc/seeded-random.js';

if (!hasGo) console.warn('SKIPPED: Go is not installed, nothing is decoded as gateways do it');

const roots = ['api', 'oas', 'policy', 'client-idp', 'session'] as const satisfies readonly GatewayRoot[];
const textsPerRoot = Number(process.env['CAUSEWAY_GATEWAY_TEXTS'] ?? 400);

describe.skipIf(!hasGo)('what a gateway decodes', () => {
  let decoder: GatewayDecoder;
  beforeAll(() => {
    decoder = new GatewayDecoder();
  }, 120_000);
  afterAll(() => decoder?.dispose());

  it.each(roots)('%s: what is served it decodes, and what is quarantined it refuses', (root) => {
    const chance = seededRandom(Number(process.env['CAUSEWAY_SEED'] ?? 18));
    const texts = Array.from({ length: textsPerRoot }, (_, index) =>
      gatewayText(root, chance, [0, 0.001, 0.005, 0.03][index % 4] ?? 0),
    );
    const verdicts = texts.map((text) => fitForGateways(root, text));
    const asWritten = decoder.decode(texts.map((text) => [root, text]));
    const asSent = decoder.decode(texts.map((text, index) => [root, verdicts[index]?.text ?? text]));
    const wrong = texts.flatMap((text, index) => {
      const { problem } = verdicts[index] ?? {};
      const refused = asSent[index];
      if ((problem === undefined) === (refused === undefined)) return [];
      return [{ text: text.toString(), problem, refused }];
    });
    expect(wrong.slice(0, 3)).toEqual([]);
    // Else nothing was tried: some of each kind.
    const respelt = texts.filter(
      (text, index) => asWritten[index] !== undefined && asSent[index] === undefined && text,
    );
    expect(verdicts.filter(({ problem }) => problem !== undefined).length).toBeGreaterThan(textsPerRoot / 40);
    expect(verdicts.filter(({ problem }) => problem === undefined).length).toBeGreaterThan(textsPerRoot / 4);
    if (root !== 'client-idp') expect(respelt.length).toBeGreaterThan(0);
  });
});
