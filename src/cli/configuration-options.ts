import type { Command } from 'commander';
import type { OptionPath } from '../config/option-table.js';

export interface ConfigurationOptions {
  readonly conf?: string;
  readonly config?: string;
  readonly embedded?: boolean;
  readonly data?: string;
  readonly address?: string;
  readonly listenPort?: string;
  readonly httpPort?: string;
}

/** The options of every command that reads a hub's configuration. */
export function addConfigurationOptions(command: Command): Command {
  return command
    .option('-c, --conf <file>', 'configuration file (JSON, names as in tyk_sink.conf)')
    .option('--config <file>', 'the same as --conf')
    .option('--embedded', 'keep everything in this process and its data folder; no other server is needed')
    .option('--data <folder>', 'data folder (CAUSEWAY_DATA_PATH; default: ./var)')
    .option(
      '--address <address>',
      'address of this machine to listen on (default: 127.0.0.1 with --embedded, else every one: 0.0.0.0)',
    )
    .option(
      '--listen-port <port>',
      'port that workers dial (TYK_MDCB_LISTENPORT; default: 9091; 0: a free one)',
    )
    .option('--http-port <port>', 'HTTP port (TYK_MDCB_HTTPPORT; default: 8181; 0: a free one)');
}

export function configurationPath({ conf, config }: ConfigurationOptions): string | undefined {
  return conf ?? config;
}

/** Flags are stronger than environment and file. */
export function configurationOverrides(
  options: ConfigurationOptions,
): Readonly<Partial<Record<OptionPath, unknown>>> {
  return {
    ...(options.embedded === true ? { 'storage.type': 'embedded', 'analytics.type': 'embedded' } : {}),
    ...(options.data === undefined ? {} : { 'causeway.data_path': options.data }),
    ...(options.address === undefined
      ? {}
      : { 'causeway.listen_address': options.address, 'causeway.http_address': options.address }),
    ...(options.listenPort === undefined ? {} : { listen_port: options.listenPort }),
    ...(options.httpPort === undefined ? {} : { http_port: options.httpPort }),
  };
}

/**
 * What the command means where nobody says otherwise. A hub of one machine is for that machine: its example control
 * plane and a secret of its own are no reason to be open to everybody in the network.
 */
export function configurationDefaults(
  options: ConfigurationOptions,
): Readonly<Partial<Record<OptionPath, unknown>>> {
  if (options.embedded !== true) return {};
  return { 'causeway.listen_address': '127.0.0.1', 'causeway.http_address': '127.0.0.1' };
}
