import { type ParsedConfiguration, parseConfiguration } from '../../src/config/parse-configuration.js';

export interface HubFolders {
  readonly dataPath: string;
  readonly catalogPath: string;
}

/** A hub as it starts by itself, on free ports of this machine, that logs errors only. */
export function benchConfiguration(
  folders: HubFolders,
  overrides: Readonly<Record<string, unknown>> = {},
): ParsedConfiguration {
  const parsed = parseConfiguration({
    env: {},
    overrides: {
      listen_port: 0,
      http_port: 0,
      'causeway.listen_address': '127.0.0.1',
      'causeway.http_address': '127.0.0.1',
      'causeway.data_path': folders.dataPath,
      'causeway.catalog_path': folders.catalogPath,
      'storage.type': 'embedded',
      'analytics.type': 'embedded',
      log_level: 'error',
      ...overrides,
    },
  });
  const [problem] = parsed.problems;
  if (problem !== undefined) throw new Error(problem.text);
  return parsed;
}
