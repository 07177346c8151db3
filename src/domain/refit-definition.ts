import type { Definition } from './definition.js';
import { hashDefinition } from './definition-hash.js';
import { type Fitting, fitForGateways } from './gateway-types/fit-for-gateways.js';

/**
 * A definition that was kept on disk, as gateways can decode it, or what they would refuse it for: it may have been
 * kept by a release that knew less about them.
 */
export function refitDefinition(
  definition: Definition,
): { readonly definition: Definition } | { readonly problem: string } {
  let body: Fitting;
  let oas: Fitting | undefined;
  try {
    body = fitForGateways(definition.kind, definition.body);
    oas = definition.oas === undefined ? undefined : fitForGateways('oas', definition.oas);
  } catch {
    return { problem: 'not JSON' };
  }
  if (body.text === undefined) return { problem: body.problem };
  if (oas?.problem !== undefined) return { problem: `oas.${oas.problem}` };
  if (body.text === definition.body && oas?.text === definition.oas) return { definition };
  const hash = hashDefinition(definition.form, body.text, oas?.text);
  return { definition: { ...definition, body: body.text, oas: oas?.text, hash } };
}
