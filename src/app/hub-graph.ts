import { randomBytes } from 'node:crypto';
import type { Configuration, TlsServerConfiguration } from '../config/configuration.js';
import { connectionBudgetOf } from '../domain/connection-budget.js';
import type { WorkerIdentity } from '../domain/worker.js';
import { AnalyticsDrain } from '../hub/analytics/drain.js';
import { AnalyticsIntake } from '../hub/analytics/intake.js';
import { Distributor } from '../hub/distribution/distributor.js';
import { Fanout } from '../hub/fanout/fanout.js';
import { IntendedWrites } from '../hub/keyspace/intended-writes.js';
import { KeyOwners } from '../hub/keyspace/key-owners.js';
import { KeyReader } from '../hub/keyspace/key-reader.js';
import { KeyWriter } from '../hub/keyspace/key-writer.js';
import type { LookThrough } from '../hub/keyspace/look-through.js';
import { LoopWatch } from '../hub/loop-watch.js';
import { UnsentAnswers } from '../hub/shares/unsent-answers.js';
import { Authenticator } from '../hub/zones/authenticator.js';
import { Fleet } from '../hub/zones/fleet.js';
import { LoginRefusals } from '../hub/zones/login-refusals.js';
import { ZoneLags } from '../hub/zones/zone-lag.js';
import type { AnalyticsQuarantine } from '../ports/analytics-quarantine.js';
import type { AnalyticsSink } from '../ports/analytics-sink.js';
import type { AnalyticsSpool } from '../ports/analytics-spool.js';
import type { AnnouncedWrites } from '../ports/announced-writes.js';
import type { Catalog } from '../ports/catalog.js';
import type { CatalogCopy } from '../ports/catalog-copy.js';
import type { ChangeIntentions } from '../ports/change-intentions.js';
import type { ChangeLog } from '../ports/change-log.js';
import type { Clock } from '../ports/clock.js';
import type { Component } from '../ports/component.js';
import type { ControlPlaneSignals } from '../ports/control-plane-signals.js';
import type { KeyStore } from '../ports/key-store.js';
import type { Log, Obfuscate } from '../ports/log.js';
import type { Metrics } from '../ports/metrics.js';
import type { GorpcTransportOptions } from '../transport/gorpc/gorpc-transport.js';
import type { BridgeHub } from '../transport/grpc/bridge-hub.js';
import { GrpcTransport } from '../transport/grpc/grpc-transport.js';
import { ProtoFrameEncoder } from '../transport/grpc/proto-frame-encoder.js';
import type { ProtocolHandler } from '../transport/listener/protocol-handler.js';
import { type ListenerBounds, WorkerListener } from '../transport/listener/worker-listener.js';
import { TlsFiles } from '../transport/tls/tls-files.js';
import { buildKeySignals } from './control-plane-signals.js';
import { buildGorpcGraph, type GorpcGraph } from './gorpc-graph.js';
import { isInternalCursor } from './internal-cursors.js';
import { SettingsSurvey, type SurveyedStores } from './settings-survey.js';

/** Workers that logged in with a key that was then changed keep their stream this long, to hear of the new one. */
const changedKeyGraceMs = 5 * 60_000;

/** What a hub stands on. */
export interface HubStores {
  readonly keyStore: KeyStore;
  readonly changeLog: ChangeLog & ChangeIntentions;
  /** Undefined: keys and change log are two engines that cannot share a commit. */
  readonly announcedWrites?: AnnouncedWrites | undefined;
  readonly spool: AnalyticsSpool;
  readonly quarantine: AnalyticsQuarantine;
  /** What is damaged in the data folder, in one line; undefined: nothing. */
  readonly damage?: (() => string | undefined) | undefined;
  readonly sink: AnalyticsSink & Component;
  readonly catalogCopy: CatalogCopy;
  readonly catalog: Catalog;
  /** Has the catalog look whether something changed, and tell. Undefined: it is read whole instead. */
  readonly pokeCatalog?: (() => void) | undefined;
  /** Undefined: the control plane tells nothing by itself. */
  readonly signals?: ControlPlaneSignals | undefined;
  /** What the settings can be held against. */
  readonly keyStoreFacts?: SurveyedStores['keyStoreFacts'];
  readonly catalogClockMs?: SurveyedStores['catalogClockMs'];
  readonly notifications?: SurveyedStores['notifications'];
}

export interface HubEnvironment {
  readonly configuration: Configuration;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly obfuscate: Obfuscate;
  readonly hub: { readonly id: string; readonly version: string };
  /** Soft RLIMIT_NOFILE; undefined: not known. */
  readonly descriptorsMax?: number | undefined;
  /** For tests, which cannot open thousands of connections. */
  readonly listenerBounds?: Partial<ListenerBounds> | undefined;
  /** Undefined: the graph makes one. Made outside, it also watches the stores, which are older than the graph. */
  readonly loops?: LoopWatch | undefined;
  /** For tests, which cannot wait for what gateways are made to wait for. */
  readonly gorpc?: Partial<GorpcTransportOptions> | undefined;
}

/** Every part of a hub that takes workers, wired; nothing is started. */
export interface HubGraph {
  readonly stores: HubStores;
  readonly authenticator: Authenticator;
  readonly fleet: Fleet;
  readonly distributor: Distributor;
  readonly fanout: Fanout;
  readonly keyWriter: KeyWriter;
  /** Undefined: no control plane writes keys past the hub. */
  readonly lookThrough: LookThrough | undefined;
  readonly drain: AnalyticsDrain;
  readonly zoneLags: ZoneLags;
  readonly settings: SettingsSurvey;
  readonly grpc: GrpcTransport;
  readonly gorpc: GorpcGraph;
  readonly listener: WorkerListener;
  /** Of the worker port; undefined: it is in clear. */
  readonly tls: TlsFiles | undefined;
  readonly loops: LoopWatch;
  /** In the order of their start. */
  readonly components: readonly Component[];
}

export function buildHubGraph(stores: HubStores, environment: HubEnvironment): HubGraph {
  const { configuration, clock, log, metrics, obfuscate, hub } = environment;
  const ports = { clock, log, metrics };
  const loops = environment.loops ?? new LoopWatch(ports);
  const heartbeatIntervalMs = configuration.causeway.heartbeatIntervalSeconds * 1_000;
  const authenticator = new Authenticator(
    { clock, metrics },
    {
      hmacKey: randomBytes(32),
      failedLoginsPerMinuteMax: configuration.causeway.failedLoginsPerMinute,
    },
  );
  const fleet = new Fleet(ports);
  const distributor: Distributor = new Distributor({
    ...ports,
    catalog: stores.catalog,
    catalogCopy: stores.catalogCopy,
    changeLog: stores.changeLog,
    progress: loops.loop('catalog'),
    holdRemovals: configuration.causeway.removalHold,
    onPeople: (organisations, users) => {
      authenticator.setPeople(organisations, users);
      gorpc.sessions.peopleChanged();
    },
  });
  const fanout: Fanout = new Fanout({
    ...ports,
    changeLog: stores.changeLog,
    encoder: new ProtoFrameEncoder({ ...hub, heartbeatIntervalMs }, metrics),
    snapshotOf: (organisation) => distributor.snapshotOf(organisation),
    heartbeatIntervalMs,
    random: Math.random,
  });
  authenticator.onRevoked(({ organisation, user, reason }) => {
    const end = () => {
      const isStillAllowed = (identity: WorkerIdentity) => {
        const other = identity.organisation !== organisation || identity.user.id !== user;
        return other || authenticator.isStillAllowed(identity);
      };
      fanout.endRefused(isStillAllowed);
      gorpc.sessions.endRefused(isStillAllowed);
    };
    if (reason === 'key-changed') clock.after(changedKeyGraceMs, end);
    else end();
  });
  const owners = new KeyOwners({
    ...ports,
    store: stores.keyStore,
    random: Math.random,
    progress: loops.loop('key-survey'),
  });
  const keyReader = new KeyReader(
    {
      ...ports,
      store: stores.keyStore,
      obfuscate,
      ...(stores.signals && { onSession: (id, organisation) => owners.note(id, organisation) }),
      apiOwners: (apiId) => distributor.ownersOfApi(apiId),
    },
    {
      hashKeys: configuration.hashKeys,
      certificateSecret: configuration.security.privateCertificateEncodingSecret,
    },
  );
  const signalGraph = buildKeySignals(stores, { ...environment, loops }, { distributor, keyReader, owners });
  const intended =
    stores.announcedWrites === undefined
      ? new IntendedWrites({
          ...ports,
          store: stores.keyStore,
          intentions: stores.changeLog,
          random: Math.random,
          progress: loops.loop('key-writes'),
        })
      : undefined;
  const writes = stores.announcedWrites ?? intended;
  if (writes === undefined) throw new Error('one of the two is always there');
  const keyWriter = new KeyWriter(
    { ...ports, store: stores.keyStore, writes },
    { hashKeys: configuration.hashKeys },
  );
  const drain = new AnalyticsDrain({
    ...ports,
    spool: stores.spool,
    sink: stores.sink,
    quarantine: stores.quarantine,
    progress: loops.loop('analytics-drain'),
    random: Math.random,
  });
  const intake = new AnalyticsIntake({ ...ports, spool: stores.spool, onSpooled: () => drain.wake() });
  const zoneLags = new ZoneLags(
    { ...ports, changeLog: stores.changeLog, progress: loops.loop('zone-lag') },
    isInternalCursor,
  );
  const bridge: BridgeHub = {
    fanout,
    login: (request) => authenticator.login(request),
    ownerOf: (identity) => ownerOf(configuration, identity),
    readKeys: (identity, names, valueBytesMax) => keyReader.read(identity, names, { valueBytesMax }),
    acceptAnalytics: async (request) => {
      const { status, accepted, dropped, error } = await intake.accept(request);
      return { status, accepted, dropped: sum(Object.values(dropped)), error };
    },
    obfuscate,
    nodeSeen: (node) => fleet.seen(node),
    nodeGone: (organisation, zone, node) => fleet.gone(organisation, zone, node),
  };
  const unsent = new UnsentAnswers(ports);
  const refusals = new LoginRefusals(ports);
  const grpc = new GrpcTransport({ ...ports, hub: bridge, unsent, refusals });
  const gorpc = buildGorpcGraph({
    ...environment,
    loops,
    stores,
    writes,
    authenticator,
    fleet,
    distributor,
    fanout,
    keyReader,
    intake,
    unsent,
    refusals,
    ownerOf: (identity) => ownerOf(configuration, identity),
    transportOptions: environment.gorpc,
  });
  const tls = tlsFiles(configuration.listener.tls, 'server_options', environment);
  const budget = connectionBudgetOf(environment.descriptorsMax);
  const listener = new WorkerListener(
    {
      port: configuration.listenPort,
      host: configuration.listener.address || undefined,
      handlers: { grpc: draining(grpc, fanout), gorpc: gorpc.transport },
      tls,
      bounds: {
        connectionsMax: budget.workerConnectionsMax,
        refusedConnectionsMax: budget.refusedConnectionsMax,
        ...environment.listenerBounds,
      },
    },
    ports,
  );
  const settings = new SettingsSurvey(
    configuration,
    {
      ...stores,
      organisations: () => (distributor.notReady() === undefined ? distributor.organisations() : undefined),
    },
    { clock, log },
  );
  const components = [
    loops,
    stores.sink,
    drain,
    distributor,
    settings,
    fanout,
    ...(intended === undefined ? [] : [intended]),
    ...(signalGraph?.components ?? []),
    zoneLags,
    tls,
    grpc,
    ...gorpc.components,
    listener,
  ];
  return {
    stores,
    authenticator,
    fleet,
    distributor,
    fanout,
    keyWriter,
    lookThrough: signalGraph?.lookThrough,
    drain,
    zoneLags,
    settings,
    grpc,
    gorpc,
    listener,
    tls,
    loops,
    components: components.filter((component) => component !== undefined),
  };
}

/** Certificates of one port; undefined: the port is in clear. */
export function tlsFiles(
  tls: TlsServerConfiguration,
  optionPath: string,
  { log, clock, metrics }: Pick<HubEnvironment, 'log' | 'clock' | 'metrics'>,
): TlsFiles | undefined {
  return tls.useSsl ? new TlsFiles({ ...tls, optionPath }, { log, clock, metrics }) : undefined;
}

/** Workers hear a goodbye while their connections still stand; then the connections may end. */
function draining(grpc: GrpcTransport, fanout: Fanout): ProtocolHandler {
  return {
    matches: (head) => grpc.matches(head),
    accept: (stream, details) => grpc.accept(stream, details),
    drain: async (deadlineMs) => {
      await fanout.stop();
      await grpc.stop(deadlineMs);
    },
  };
}

function ownerOf(
  configuration: Configuration,
  { user }: WorkerIdentity,
): { user: string; groups: readonly string[] } | undefined {
  return configuration.enableOwnership ? { user: user.id, groups: user.groups } : undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
