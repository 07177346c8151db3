import { writeSync } from 'node:fs';
import { organisationId } from '../../../src/domain/identifiers.js';
import { openEmbeddedStores } from '../../../src/stores/embedded/open-embedded-stores.js';
import { SystemClock } from '../../../src/telemetry/system-clock.js';
import { silentLog } from '../../memory/silent-log.js';

/*
 * Started with a limit on the size of files, which is what a full disk looks like: writes until that fails,
 * makes room, and goes on. Prints one line of JSON.
 */
process.on('SIGXFSZ', () => {});
console.error = () => {};

const stores = await openEmbeddedStores({
  folder: process.argv[2] ?? '',
  clock: new SystemClock(),
  log: silentLog,
});
const organisation = organisationId('org-a');
const payload = Buffer.alloc(50_000, 'x');
const refusals = new Set<string>();
let taken = 0;
let refused = 0;

for (let round = 0; round < 30; round += 1) {
  const writes = [
    ...Array.from({ length: 5 }, () =>
      stores.spool.append({ organisation, receivedAtMs: 1, records: 1, payload }, undefined),
    ),
    stores.changeLog.append([
      {
        organisation,
        atMs: 1,
        body: { type: 'key', event: { kind: 'key-changed', key: 'k', hashed: false } },
      },
    ]),
  ];
  for (const [index, result] of (await Promise.allSettled(writes)).entries()) {
    if (result.status === 'rejected') {
      refused += 1;
      refusals.add((result.reason as { readonly code: string }).code);
    } else if (index < 5) taken += 1;
  }
}

const { batches } = await stores.spool.size();
const { newest } = await stores.changeLog.bounds(organisation);
const entries = await stores.changeLog.read(organisation, 0, 1_000);
await stores.spool.removeThrough(Number.MAX_SAFE_INTEGER);
const afterwards = await stores.spool.append(
  { organisation, receivedAtMs: 1, records: 1, payload },
  undefined,
);
await stores.close();
const outcome = {
  refused: refused > 0,
  refusals: [...refusals],
  everyTakenBatchIsThere: batches === taken,
  gapless: entries.every((entry, index) => entry.sequence === index + 1) && entries.length === newest,
  afterwards,
};
writeSync(1, `${JSON.stringify(outcome)}\n`);
