import { writeSync } from 'node:fs';
import { nodeId, organisationId, zoneId } from '../../../src/domain/identifiers.js';
import { openEmbeddedStores } from '../../../src/stores/embedded/open-embedded-stores.js';
import { SystemClock } from '../../../src/telemetry/system-clock.js';
import { silentLog } from '../../memory/silent-log.js';

/*
 * Writes to every store of the folder given as argument, several at a time, and prints a line for each write
 * that resolved, until it is killed. Lines are written synchronously: a printed line has left the process.
 */
const run = process.argv[3] ?? '';
const stores = await openEmbeddedStores({
  folder: process.argv[2] ?? '',
  clock: new SystemClock(),
  log: silentLog,
});
const organisation = organisationId('org-a');
const say = (line: string) => writeSync(1, `${line}\n`);

async function appendChanges(lane: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    const key = `${run}-${lane}-${index}`;
    const [change] = await stores.changeLog.append([
      { organisation, atMs: 1, body: { type: 'key', event: { kind: 'key-changed', key, hashed: false } } },
    ]);
    say(`change ${change?.sequence} ${key}`);
    await stores.changeLog.moveCursor({
      organisation,
      zone: zoneId('z'),
      node: nodeId(`${lane}`),
      sequence: change?.sequence ?? 0,
      atMs: 1,
    });
  }
}

async function appendBatches(lane: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    const batchId = `${run}-${lane}-${index}`;
    const payload = Buffer.from(JSON.stringify([{ host: batchId, alias: 'x'.repeat(index % 5_000) }]));
    const node = nodeId('n');
    await stores.spool.append(
      { organisation, receivedAtMs: 1, records: 1, payload },
      { organisation, node, batchId },
    );
    say(`batch ${batchId}`);
  }
}

async function putKeys(lane: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    const key = `${run}-${lane}-${index}`;
    await stores.keyStore.put(key, Buffer.from(key), 1e9);
    say(`key ${key}`);
  }
}

await Promise.all([...[1, 2, 3].map(appendChanges), ...[1, 2, 3].map(appendBatches), ...[1, 2].map(putKeys)]);
