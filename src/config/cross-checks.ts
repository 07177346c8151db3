import { whyPlaceholder } from '../domain/placeholder-secret.js';
import type { Origin, Problem, Warning } from './finding.js';
import type { OptionPath, OptionValues } from './option-table.js';

/** Secrets that protect this hub, and what follows when everybody knows them. */
const placeholders = [
  [
    'security.secret',
    'keys and catalog cannot be administered over HTTP, and whoever reaches the port can read its configuration where enable_http_secure_endpoints is on',
  ],
  ['causeway.node_secret', 'anybody who can publish on Redis can sign notifications with it'],
] as const satisfies readonly (readonly [OptionPath, string])[];

export interface CrossChecks {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** What only shows when two options are seen together. `broken` paths had a problem of their own. */
export function crossCheck(
  values: OptionValues,
  origins: ReadonlyMap<string, Origin>,
  broken: ReadonlySet<string>,
): CrossChecks {
  const problems: Problem[] = [];
  const warnings: Warning[] = [];
  const problem = (path: OptionPath, found: string, expected: string): void => {
    if (!broken.has(path)) problems.push({ path, text: `${path}: found ${found}, expected ${expected}` });
  };
  const conflict = (path: OptionPath, text: string): void => {
    warnings.push({ kind: 'conflict', path, text: `${path}: ${text}` });
  };

  for (const prefix of ['server_options', 'http_server_options'] as const) {
    if (!values[`${prefix}.use_ssl`]) continue;
    const certFile = values[`${prefix}.certificate.cert_file`];
    const keyFile = values[`${prefix}.certificate.key_file`];
    const others = values[`${prefix}.ssl_certificates`].length;
    const because = `because ${prefix}.use_ssl is on`;
    if (certFile === '' && (keyFile !== '' || others === 0)) {
      problem(`${prefix}.certificate.cert_file`, 'nothing', `the path of a PEM file ${because}`);
    }
    if (keyFile === '' && (certFile !== '' || others === 0)) {
      problem(`${prefix}.certificate.key_file`, 'nothing', `the path of a PEM file ${because}`);
    }
  }

  for (const prefix of ['storage', 'analytics_storage'] as const) {
    if (prefix === 'analytics_storage' && !values.enable_separate_analytics_store) continue;
    if (values[`${prefix}.enable_cluster`] && values[`${prefix}.database`] !== 0) {
      conflict(`${prefix}.database`, 'is ignored, as a Redis Cluster has no database but 0');
    }
    if (!values[`${prefix}.use_ssl`]) continue;
    const oldest = values[`${prefix}.min_version`];
    const newest = values[`${prefix}.max_version`];
    // The versions sort as text.
    if (oldest > newest) {
      problem(`${prefix}.min_version`, `"${oldest}"`, `at most "${newest}", which is ${prefix}.max_version`);
    }
    if ((values[`${prefix}.cert_file`] === '') !== (values[`${prefix}.key_file`] === '')) {
      const missing = values[`${prefix}.cert_file`] === '' ? 'cert_file' : 'key_file';
      problem(`${prefix}.${missing}`, 'nothing', 'a path, as a certificate and its key go together');
    }
  }

  const sameAddress = values['causeway.listen_address'] === values['causeway.http_address'];
  if (values.listen_port !== 0 && values.listen_port === values.http_port && sameAddress) {
    problem('http_port', String(values.http_port), 'another port than listen_port');
  }

  if (values['security.enable_http_secure_endpoints'] && values['security.secret'] === '') {
    conflict('security.secret', 'is empty: the hub makes one of its own and keeps it in credentials.json');
  }
  for (const [path, consequence] of placeholders) {
    const why = values[path] === '' ? undefined : whyPlaceholder(values[path]);
    if (why !== undefined)
      warnings.push({ kind: 'placeholder', path, text: `${path}: ${why}; ${consequence}` });
  }

  const otherStore = values['analytics.type'] !== 'mongo' || values['analytics.connection_string'] !== '';
  if (values['analytics.mongo_url'] !== '' && otherStore && origins.get('analytics.type') !== 'flag') {
    conflict('analytics.mongo_url', 'wins over analytics.type and analytics.connection_string');
  }
  return { problems, warnings };
}

/** With a `mongo_url` the database is MongoDB, whatever the type says; only a flag is stronger. */
export function settleDatabase(values: OptionValues, origins: ReadonlyMap<string, Origin>): OptionValues {
  if (values['analytics.mongo_url'] === '' || origins.get('analytics.type') === 'flag') return values;
  return { ...values, 'analytics.type': 'mongo' };
}
