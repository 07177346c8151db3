import { type Candidate, quote, type Warning } from './finding.js';
import { nearestName } from './nearest-name.js';
import { optionByEnvironmentName } from './option-index.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentCandidates {
  /** By environment name. */
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly warnings: readonly Warning[];
}

const ourPrefixes = ['TYK_MDCB_', 'CAUSEWAY_'];

/**
 * Names that Kubernetes sets in every pod for a service called `causeway` or `tyk-mdcb`. They are nobody's
 * mistake: no warning.
 */
const serviceLink =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const serviceLinkValue = /^(?:tcp|udp|sctp):\/\//;

/** Finds the options in the environment. `knownNames` are further names that some other part reads. */
export function collectFromEnvironment(
  environment: Environment,
  knownNames: readonly string[] = [],
): EnvironmentCandidates {
  const candidates = new Map<string, Candidate>();
  const warnings: Warning[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined) continue;
    if (optionByEnvironmentName.has(name)) {
      candidates.set(name, { origin: `env ${name}`, at: name, source: { text } });
      continue;
    }
    if (!ourPrefixes.some((prefix) => name.startsWith(prefix)) || knownNames.includes(name)) continue;
    if (serviceLink.test(name) || (name.endsWith('_PORT') && serviceLinkValue.test(text))) continue;
    const nearest = nearestName(name, optionByEnvironmentName.keys());
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    warnings.push({
      kind: 'unknown-name',
      path: name,
      text: `${quote(name)} is not an environment variable of ours and is ignored${hint}`,
    });
  }
  return { candidates, warnings };
}
