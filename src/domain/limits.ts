const kib = 1024;
const mib = 1024 * kib;

/**
 * Every bound in one place. Reaching one is counted in `causeway_limit_hits_total` by the name here, and
 * does what the comment says. `npm run docs` makes docs/limits.md of it.
 */
export const limits = {
  /** One catalog file; a larger one is quarantined unread. */
  catalogFileBytesMax: 16 * mib,
  /** Values in one catalog file or row; one with more is quarantined: to parse it would keep others waiting. */
  catalogItemValuesMax: 150_000,
  /** Values in values in one catalog file or row; a deeper one is quarantined. */
  catalogItemDepthMax: 500,
  /** Change log entries kept per organisation; a worker further behind gets a snapshot. */
  changeLogEntriesMax: 100_000,
  /** Changes in one delivery to a worker. */
  deltaChangesMax: 512,
  /** Bytes of definitions in one delivery or snapshot chunk, before compression. */
  chunkBytesMax: 1 * mib,
  /** Deliveries a worker may leave unconfirmed before the hub waits for it. */
  unconfirmedDeliveriesMax: 64,
  /** A gorpc message up to here is read from anybody; a longer one is counted before it is held. */
  strangerMessageBytesMax: 64 * kib,
  /** The longest login: newer gateways name all their APIs in it. Longer messages wait for a login first. */
  strangerLoginBytesMax: 1 * mib + 64 * kib,
  /** Unfinished messages of all gorpc connections without a login; the one that goes beyond is closed. */
  strangerHeldBytesMax: 64 * mib,
  /** Elements in one gob message of a worker that has not logged in. */
  strangerElementsMax: 1_000,
  /** One gRPC message of a call that needs no login (health, reflection); a larger one is refused unread. */
  strangerCallBytesMax: 4 * kib,
  /** Open gRPC calls that need no login (health, reflection), all together; more are refused. */
  strangerCallsMax: 512,
  /** One gRPC message of a worker; a larger one is refused unread. */
  workerMessageBytesMax: 33 * mib,
  /** Time for a large gRPC message to arrive once it has begun; then its call is closed. */
  workerMessageTimeoutMs: 120_000,
  /** A payload from a worker after decompression; a larger one is refused. */
  workerPayloadBytesMax: 32 * mib,
  /** A payload from the hub after decompression; the reference worker refuses a larger one. */
  hubPayloadBytesMax: 256 * mib,
  /** Large messages of one organisation on their way in; the next waits until there is room. */
  heldBytesPerOrganisationMax: 128 * mib,
  /** Large messages of all on their way in; the next waits until there is room. */
  heldBytesMax: 256 * mib,
  /** Definitions a worker may say it holds in its hello. */
  heldDefinitionsMax: 100_000,
  /** Keys in one GetKeys call. */
  keysPerCallMax: 1_000,
  /** One value of the key store; a larger one is not read, and answered as not found. */
  storedValueBytesMax: 4 * mib,
  /** Values up to here are read together with others; larger ones one by one, when there is room for them. */
  modestValueBytesMax: 64 * kib,
  /** Values in one answer to GetKeys; the rest is said to be deferred, and asked for again. */
  keysAnswerBytesMax: 4 * mib,
  /** Answers one connection has not taken yet; its next call waits until it has. */
  unsentBytesPerConnectionMax: 8 * mib,
  /** As above, of all connections of one organisation. */
  unsentBytesPerOrganisationMax: 64 * mib,
  /** As above, of all connections of the hub. */
  unsentBytesMax: 256 * mib,
  /** While others wait for room: time in which a connection has to take something; then it is closed. */
  unsentStallMaxMs: 20_000,
  /** Values that a search of an old gateway may find; more are an error. */
  foundBytesMax: 16 * mib,
  /** Names that a search of an old gateway may find; more are an error. */
  keysFoundMax: 10_000,
  /** Name of a key that a worker asks for; a longer one is answered as not found. */
  keyNameBytesMax: 4 * kib,
  /** Sessions remembered with whose they are, up to 4 KiB each; the first ones remembered go. */
  sessionOwnersMax: 5_000,
  /** Key events of the control plane that wait to be looked at; beyond it whole organisations are looked through. */
  keySignalsMax: 100_000,
  /** Names of one kind that a look at the key store takes as evidence of how it is set up. */
  evidenceNamesMax: 1_000,
  /** Steps of a scan that such a look takes for one kind of name, each through 500 slots. */
  evidenceScansMax: 40,
  /** Meanings looked into of one name or text that can be split in several places; further ones are not. */
  keyReadingsMax: 64,
  /** Lines about key events that gateways cannot be told, one for each zone and kind; further ones are not written. */
  unsaidLinesMax: 1_000,
  /** Keys whose owner is remembered for the time when they are gone; the least recently seen are forgotten. */
  keyOwnersMax: 500_000,
  /** Key writes that may have happened and are not in the change log yet, as a store is away; more are refused. */
  keyIntentionsMax: 10_000,
  /** Values in one session; one with more is not parsed, and so nobody's. */
  sessionValuesMax: 100_000,
  /** Values in values in one session; a deeper one is not parsed, and so nobody's. */
  sessionDepthMax: 1_000,
  /** One session given to the hub to keep; a larger one is refused. */
  sessionBytesMax: 1 * mib,
  /** Workers shown in the fleet; beyond it the one silent for longest is no longer shown. */
  fleetNodesMax: 20_000,
  /** Details a worker tells about itself; more are not read, the worker is served all the same. */
  nodeDetailsBytesMax: 1 * mib,
  /** Life of a worker in the fleet without a sign of life. */
  nodeTtlSecondsMax: 3_600,
  /** Records in one analytics batch over gRPC. */
  analyticsBatchRecordsMax: 100_000,
  /** One analytics record; a larger one is set aside. */
  analyticsRecordBytesMax: 8 * mib,
  /** Values nested in values in one analytics record; real ones have three. A deeper one is set aside. */
  analyticsRecordDepthMax: 64,
  /** Values in one analytics record; one with more is set aside. */
  analyticsRecordValuesMax: 100_000,
  /** Analytics records that can never be stored and are kept for a look; the oldest go. */
  analyticsQuarantineRecordsMax: 10_000,
  /** Bytes of such records; the oldest go. */
  analyticsQuarantineBytesMax: 64 * mib,
  /** Text kept of one such record; the rest is cut off. */
  analyticsQuarantinedTextBytesMax: 64 * kib,
  /** Such records kept of one transaction; further ones are only counted. */
  analyticsQuarantinedAtOnceMax: 1_000,
  /** Analytics records written to the sink in one transaction; a single larger batch goes alone. */
  analyticsTransactionRecordsMax: 10_000,
  /** Spooled batches written to the sink in one transaction. */
  analyticsTransactionBatchesMax: 100,
  /** Spooled bytes written to the sink in one transaction; a larger batch is split. */
  analyticsTransactionBytesMax: 32 * mib,
  /** Unstored analytics on disk; beyond it workers are told to try later. */
  analyticsSpoolBytesMax: 2048 * mib,
  /** Batch ids remembered to recognise repeats; the oldest are forgotten. */
  analyticsBatchIdsMax: 100_000,
  /** Time for a new connection to show its protocol (and finish TLS) before it is closed. */
  preambleTimeoutMs: 10_000,
  /** Open connections on the worker port, and fewer where the process may have fewer descriptors; more are refused. */
  connectionsMax: 20_000,
  /** Time for somebody to log in over a connection to the worker port, over any protocol; then it is closed. */
  loginTimeoutMs: 30_000,
  /** Connections to the worker port over which nobody has logged in; for one more the network that has most gives one up. In proportion where `connectionsMax` is lower. */
  strangersMax: 10_000,
  /** As above, of one network (IPv4 /24, IPv6 /48); more are refused. */
  strangersPerNetworkMax: 5_000,
  /** As above, of one host (an IPv4 address, an IPv6 /64); more are refused. */
  strangersPerHostMax: 2_500,
  /** Refused connections that wait for their close, so that they are not redialled at once; more are closed at once. */
  refusedConnectionsMax: 4_096,
  /** Descriptors that no connection may take: for stores, catalog and log. */
  descriptorsReserved: 256,
  /** Open gRPC calls of one connection, which may all begin in one packet; a client waits with further ones. */
  callsPerConnectionMax: 200,
  /** As above, until somebody has logged in over it: each costs more than it does its sender, and they begin all at once. */
  strangerCallsPerConnectionMax: 16,
  /** Life of a gRPC connection without a call, also of a worker that is logged in; then it is closed with a goodbye. */
  grpcIdleMaxMs: 600_000,
  /** Open connections on the HTTP port; for one more the network that has most gives one up. */
  httpConnectionsMax: 512,
  /** As above, of one host; more are closed at once. */
  httpConnectionsPerHostMax: 128,
  /** Time for the head of an HTTP request to arrive; then the connection is closed. */
  httpHeadTimeoutMs: 10_000,
  /** Header fields of one HTTP request; further ones are not looked at. */
  httpHeadersMax: 100,
  /** Failed logins per address and minute before they are refused unexamined answers. */
  failedLoginsPerMinuteMax: 30,
  /** Lines in the log about refused logins of all workers in a minute; how many were left out is said in the next. */
  refusalLinesPerMinuteMax: 60,
  /** Refused workers of which it is known that the log names them already; the one told of longest ago is forgotten. */
  refusalsRememberedMax: 1_000,
  /** Addresses whose failed logins are remembered; the oldest are forgotten. */
  failedLoginAddressesMax: 10_000,
  /** Name of a zone, as a worker gives it; the rest is cut off. */
  zoneNameLengthMax: 256,
  /** Refused API keys that are remembered; the least recently used are forgotten. */
  refusedKeysMax: 10_000,
  /** Sessions of gateways without a connection; the one without for longest has to log in again. */
  leftSessionsMax: 20_000,
  /** Zones waiting for a full push; the one that asked first is forgotten, and asks again. */
  fullPushRequestsMax: 10_000,
  /** Distinct label values of `zone` and `organisation`; further ones are counted as `other`. */
  metricLabelValuesMax: 200,
  /** Encoded views kept in memory per compression; the least recently used go. */
  encodedViewsMax: 64,
  /** One gob message of a gorpc request, with all its continuations; a longer one ends the connection. */
  gobMessageBytesMax: 128 * mib,
  /** Values nested in values in one gob message. */
  gobDepthMax: 64,
  /** Elements, map entries and struct fields in one gob message, counted together by the room they take. */
  gobElementsMax: 100_000,
  /** Type definitions one gorpc connection may send; a real gateway sends about eight. */
  gobTypeDefinitionsMax: 256,
  /** Fields of one struct type on a gorpc connection. */
  gobStructFieldsMax: 1_000,
  /** Bytes of all type definitions of one gorpc connection. */
  gobTypeDefinitionBytesMax: 64 * kib,
  /** Name of a concrete type in a gob interface value, as in Go. */
  gobNameBytesMax: 1_024,
  /** Unfinished gob messages of workers that have logged in; the connection that goes beyond is closed. */
  gorpcHeldBytesMax: 512 * mib,
  /** Inflated bytes for each byte on the wire, once `inflateBurstBytesMax` is used up. */
  inflateRatioMax: 256,
  /** Inflated bytes a connection may be ahead of `inflateRatioMax`. */
  inflateBurstBytesMax: 16 * mib,
  /** Calls of one gorpc connection that wait for an answer; beyond it the hub reads on when some are answered. */
  gorpcCallsInFlightMax: 8_192,
  /** Calls of one gorpc connection that are worked on at a time; the others wait. */
  gorpcCallsRunningMax: 128,
  /** Answers one gorpc connection has not taken yet; beyond it the hub reads on when they are. */
  gorpcUnsentBytesMax: 4 * mib,
  /** Calls on one gorpc connection that can only be a mistake or an attack; then it is closed. */
  gorpcBadCallsMax: 100,
  /** Time in which a gorpc connection has to take something of what waits for it; then it is closed. */
  gorpcStallMaxMs: 300_000,
  /** Bytes of definitions kept encoded for gorpc, with their compressed form; the least recently used go. */
  gorpcPayloadBytesMax: 256 * mib,
  /** Time a loop may have work without making progress; then readiness names it. */
  loopStallMs: 60_000,
  /** Copies of a damaged store that are kept beside it; the oldest go. */
  damagedStoresMax: 3,
  /** Time from SIGTERM to exit. */
  drainTimeoutMs: 10_000,
} as const;

export type LimitName = keyof typeof limits;
