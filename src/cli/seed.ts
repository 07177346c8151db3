import type { Command } from 'commander';
import { exitCodes } from '../errors/catalogue.js';
import { CausewayError } from '../errors/causeway-error.js';
import { type CliContext, writeJson } from './cli-context.js';

export interface SeedCommandOptions {
  readonly postgres?: string;
  readonly mongo?: string;
  readonly redis?: string;
  readonly hashKeys?: boolean;
  readonly json?: boolean;
}

export function describeSeed(command: Command): Command {
  return command
    .description('make the control plane of the examples in an empty database and an empty Redis')
    .option('--postgres <url>', 'PostgreSQL: postgres://user:password@host/database, or keyword=value pairs')
    .option('--mongo <url>', 'MongoDB: mongodb://user:password@host/database')
    .option('--redis <url>', 'Redis: redis://:password@host:6379/0')
    .option('--hash-keys', 'name keys by their hashes, for a hub and gateways that run with hash_keys')
    .option('--json', 'print {"organisation","api_key"}')
    .addHelpText(
      'after',
      `
Needs --redis and one of the two databases. Writes nothing where something is already.

  causeway seed --postgres postgres://postgres@127.0.0.1/tyk_analytics --redis redis://127.0.0.1:6379`,
    );
}

export async function seed(context: CliContext, options: SeedCommandOptions): Promise<number> {
  const { postgres, mongo, redis } = options;
  if (redis === undefined || (postgres === undefined) === (mongo === undefined)) {
    throw new CausewayError(
      'REQUEST_INVALID',
      'give --redis and one of --postgres and --mongo, each with a URL',
    );
  }
  // Loaded late: drivers cost every other command.
  const [{ seedControlPlane }, { SystemClock }, { createPinoLog }] = await Promise.all([
    import('../app/seed-control-plane.js'),
    import('../telemetry/system-clock.js'),
    import('../telemetry/pino-log.js'),
  ]);
  const seeded = await seedControlPlane({
    database:
      postgres === undefined ? { type: 'mongo', url: mongo ?? '' } : { type: 'postgres', url: postgres },
    redisUrl: redis,
    hashKeys: options.hashKeys === true,
    clock: new SystemClock(),
    log: createPinoLog({ level: 'error', destination: 'stderr' }),
  });
  const { organisation, apiKey, counts } = seeded;
  if (options.json === true) {
    await writeJson(context.stdout, { organisation, api_key: apiKey });
    return exitCodes.ok;
  }
  const said = Object.entries(counts).map(([what, count]) => `${count} ${what === 'apis' ? 'APIs' : what}`);
  await context.stdout.write(
    [
      `seeded        ${said.join(', ')}`,
      `organisation  ${organisation}   slave_options.rpc_key of a gateway, --organisation of a worker`,
      `API key       ${apiKey}   slave_options.api_key of a gateway, --api-key of a worker; shown this once`,
      '',
    ].join('\n'),
  );
  return exitCodes.ok;
}
