import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { TlsServerConfiguration } from '../config/configuration.js';
import type { ParsedConfiguration } from '../config/parse-configuration.js';
import { describeConfiguration, findEnvironment, findField, listEnvironment } from '../config/redact.js';
import { connectionBudgetOf } from '../domain/connection-budget.js';
import { ungrouped } from '../domain/identifiers.js';
import type { WorkerNode } from '../domain/worker.js';
import { exitCodes } from '../errors/catalogue.js';
import { LoopWatch } from '../hub/loop-watch.js';
import { createObfuscate } from '../telemetry/obfuscate-key.js';
import { createPinoLog } from '../telemetry/pino-log.js';
import { PrometheusMetrics } from '../telemetry/prometheus-metrics.js';
import { SystemClock } from '../telemetry/system-clock.js';
import { HttpServer } from '../transport/http/http-server.js';
import { HubAdministration } from './admin-operations.js';
import { ComponentStack } from './component-stack.js';
import { credentialsPath } from './credentials-file.js';
import { readDescriptorLimit } from './descriptor-limit.js';
import { httpSecretOf, isStillFirstStart, makeFirstStart, noteAddresses } from './first-start.js';
import { buildHubGraph, type HubEnvironment, type HubGraph, tlsFiles } from './hub-graph.js';
import { describeStatus, readReadiness, storeNamesOf } from './hub-status.js';
import { openStores } from './open-stores.js';
import { version } from './version.js';

export interface RunHubOptions {
  readonly parsed: ParsedConfiguration;
  /** Started with `--embedded`: guarded pages are on unless the configuration says otherwise. */
  readonly embedded: boolean;
  /** Go on without a store that the data folder has lost. Default false. */
  readonly acceptDataLoss?: boolean;
}

export interface RunningHub {
  readonly listen: { readonly host: string; readonly port: number; readonly tls: boolean };
  readonly http: { readonly host: string; readonly port: number; readonly tls: boolean };
  readonly organisation: string;
  /** Secret. */
  readonly apiKey: string;
  readonly credentialsPath: string;
  readonly catalogPath: string;
  /** The examples were put in place by this start. */
  readonly firstStart: boolean;
  /** Drains and stops; may be called twice. */
  stop(reason: string): Promise<void>;
  /** Reads certificates and catalog anew. The configuration is read at start only. Never rejects. */
  reload(reason: string): Promise<void>;
  /** Resolves to the exit code when the hub has stopped, for whatever reason. */
  readonly finished: Promise<number>;
}

/**
 * Small buffers are cut from blocks of this size. Node's own 8 KiB make a new block for every few answers to workers,
 * and blocks are what the collector spends its time on: a tenth of the cost of a call.
 */
export const bufferBlockBytes = 64 * 1024;

/**
 * Starts a hub and resolves when it takes workers. Rejects with the CausewayError that says why it cannot.
 * The caller decides what stops it: this function installs no signal handlers.
 */
export async function runHub({
  parsed,
  embedded: standalone,
  acceptDataLoss = false,
}: RunHubOptions): Promise<RunningHub> {
  Buffer.poolSize = bufferBlockBytes;
  const { configuration } = parsed;
  const clock = new SystemClock();
  const { logFormat } = configuration.causeway;
  const log = createPinoLog({
    level: configuration.logLevel,
    destination: 'stdout',
    ...(logFormat === 'auto' ? {} : { pretty: logFormat === 'pretty' }),
  });
  // First of all, and in one line: what does not go where the configuration says.
  const notYet = parsed.warnings.filter(({ kind }) => kind === 'not-yet').map(({ text }) => text);
  if (notYet.length > 0) log.warn('options that lose or redirect data in this release', { options: notYet });
  for (const { kind, text } of parsed.warnings) if (kind !== 'not-yet') log.warn(text);
  const metrics = new PrometheusMetrics();
  const loops = new LoopWatch({ clock, log, metrics });
  const environment: HubEnvironment = {
    configuration,
    clock,
    log,
    metrics,
    obfuscate: createObfuscate(configuration.enableKeyLogging),
    descriptorsMax: readDescriptorLimit(),
    loops,
    hub: { id: `${hostname()}-${randomBytes(3).toString('hex')}`, version },
  };
  metrics.set('causeway_build_info', { version, node: process.versions.node }, 1);
  const startedMs = clock.monotonicMs();
  const { dataPath, catalogPath } = configuration.causeway;
  const stores = await openStores(environment, { acceptLoss: acceptDataLoss });
  const drainTimeoutMs = configuration.causeway.drainTimeoutSeconds * 1_000;
  const stack = new ComponentStack(clock, log);
  try {
    const firstStart =
      stores.standalone &&
      !stores.replaced &&
      ((await makeFirstStart(configuration, stores, log)) || (await isStillFirstStart(dataPath)));
    const httpSecret = await httpSecretOf(configuration, log);
    const graph = buildHubGraph(stores, environment);
    const httpTls = tlsFiles(configuration.http.tls, 'http_server_options', environment);
    const http = buildHttp(parsed, environment, graph, {
      httpSecret,
      httpTls,
      metrics,
      startedMs,
      guardedByDefault: standalone,
    });
    await stack.start([...(httpTls ? [httpTls] : []), http, ...graph.components], drainTimeoutMs);
    await http.renewReadiness();
    const listen = hostAndPort(graph.listener.address());
    const web = hostAndPort(http.address());
    const credentials = await noteAddresses(
      dataPath,
      graph,
      stores.standalone,
      {
        listen: dialable(listen),
        http: dialable(web),
        ...certificateOf('listen_certificate', configuration.listener.tls),
        ...certificateOf('http_certificate', configuration.http.tls),
      },
      httpSecret,
    );
    let finish = (_code: number): void => {};
    const finished = new Promise<number>((resolve) => {
      finish = resolve;
    });
    let stopping: Promise<void> | undefined;
    const stop = async (reason: string): Promise<void> => {
      log.info('draining', { reason, timeoutMs: drainTimeoutMs });
      http.beginDraining();
      graph.grpc.setServing(false);
      await stack.stop(clock.monotonicMs() + drainTimeoutMs);
      await stores.close();
      log.info('stopped', { reason });
      finish(exitCodes.ok);
    };
    // Ready is what readiness says; until then it has said what is missing.
    log.info(http.isReady ? 'hub ready' : 'hub started, not ready yet', {
      startMs: Math.round(clock.monotonicMs() - startedMs),
      version,
    });
    return {
      listen: { ...listen, tls: configuration.listener.tls.useSsl },
      http: { ...web, tls: configuration.http.tls.useSsl },
      organisation: credentials.organisation,
      apiKey: credentials.api_key,
      credentialsPath: credentialsPath(dataPath),
      catalogPath,
      firstStart,
      stop: (reason) => {
        stopping ??= stop(reason);
        return stopping;
      },
      reload: async (reason) => {
        if (stopping !== undefined) return;
        log.info('reading certificates and catalog anew; the configuration is read at start only', {
          reason,
        });
        if (stores.pokeCatalog === undefined) void graph.distributor.reload();
        else stores.pokeCatalog();
        await Promise.all([graph.tls?.reload(), httpTls?.reload()]);
      },
      finished,
    };
  } catch (thrown) {
    await stack.stop(clock.monotonicMs() + drainTimeoutMs);
    await stores.close();
    throw thrown;
  }
}

function buildHttp(
  parsed: ParsedConfiguration,
  environment: HubEnvironment,
  graph: HubGraph,
  own: {
    readonly httpSecret: string;
    readonly httpTls: ReturnType<typeof tlsFiles>;
    readonly metrics: PrometheusMetrics;
    /** Monotonic. */
    readonly startedMs: number;
    readonly guardedByDefault: boolean;
  },
): HttpServer {
  const { configuration, clock, log, hub } = environment;
  // A hub that stands alone made its own secret, so there is something to guard the pages with.
  const secureEndpoints =
    configuration.security.enableHttpSecureEndpoints ||
    (own.guardedByDefault && parsed.origins.get('security.enable_http_secure_endpoints') === 'default');
  return new HttpServer(
    {
      port: configuration.http.port,
      host: configuration.http.address || undefined,
      tls: own.httpTls,
      secureEndpoints,
      secret: own.httpSecret,
      connectionsMax: connectionBudgetOf(environment.descriptorsMax).httpConnectionsMax,
      failedLoginsPerMinuteMax: configuration.causeway.failedLoginsPerMinute,
      profiler: configuration.enableHttpProfiler,
      readinessRenewalSeconds: configuration.healthCacheRenewalSeconds,
    },
    {
      log,
      clock,
      metrics: own.metrics,
      views: {
        readiness: () => readReadiness(graph, clock, storeNamesOf(configuration)),
        configuration: {
          describe: () => describeConfiguration(parsed.values),
          findField: (path) => findField(parsed.values, path),
          listEnvironment: () => listEnvironment(parsed.values),
          findEnvironment: (name) => findEnvironment(parsed.values, name),
        },
        fleet: () => fleetByZone(graph),
        metrics: own.metrics,
      },
      operations: new HubAdministration({
        keyWriter: graph.keyWriter,
        distributor: graph.distributor,
        organisations: () => graph.distributor.organisations(),
        status: () => describeStatus(graph, { ...hub, startedMs: own.startedMs }, clock, parsed),
      }),
    },
  );
}

/** Groups as the field shows them: by zone, whichever organisation. */
function fleetByZone({ fleet }: HubGraph): ReadonlyMap<string, readonly WorkerNode[]> {
  const zones = new Map<string, WorkerNode[]>();
  for (const { zone, nodes } of fleet.byGroup()) {
    const own = zones.get(zone) ?? [];
    own.push(...nodes.map(({ worker }) => worker));
    zones.set(zone === '' ? ungrouped : zone, own);
  }
  return zones;
}

function hostAndPort({ address, port }: { address: string; port: number }): { host: string; port: number } {
  return { host: address, port };
}

/** Which certificate a client on this machine will see. */
function certificateOf<Name extends string>(
  name: Name,
  { useSsl, certFile }: TlsServerConfiguration,
): Partial<Record<Name, string>> {
  if (!useSsl || certFile === '') return {};
  return { [name]: resolve(certFile) } as Partial<Record<Name, string>>;
}

/** An address that a client on this machine can dial: "every address" is the loopback one. */
function dialable({ host, port }: { host: string; port: number }): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}
