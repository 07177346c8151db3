import { writeSync } from 'node:fs';
import { organisationId } from '../../../src/domain/identifiers.js';
import { CausewayError } from '../../../src/errors/causeway-error.js';
import { openEmbeddedStores } from '../../../src/stores/embedded/open-embedded-stores.js';
import { SystemClock } from '../../../src/telemetry/system-clock.js';
import { silentLog } from '../../memory/silent-log.js';

/*
 * Started with a limit on the size of files, which is what a full disk looks like: writes and removes keys, and
 * tells of each, until that fails and on. Prints one line of JSON: whether store and log agree about every key.
 */
process.on('SIGXFSZ', () => {});
console.error = () => {};

const stores = await openEmbeddedStores({
  folder: process.argv[2] ?? '',
  clock: new SystemClock(),
  log: silentLog,
});
const organisation = organisationId('org-a');
const value = Buffer.alloc(20_000, 'x');
const errors = new Set<string>();
let taken = 0;

async function write(key: string, isThere: boolean): Promise<void> {
  const kind = isThere ? 'key-changed' : 'key-removed';
  try {
    await stores.announcedWrites.write({
      name: `apikey-${key}`,
      stored: isThere ? { value, ttlMs: undefined } : undefined,
      changes: [{ organisation, atMs: 1, body: { type: 'key', event: { kind, key, hashed: false } } }],
    });
    taken += 1;
  } catch (error) {
    errors.add(error instanceof CausewayError ? `${error.code}: ${error.message}` : String(error));
  }
}

const names = Array.from({ length: 300 }, (_, index) => `k${index}`);
for (let start = 0; start < names.length; start += 10) {
  const part = names.slice(start, start + 10);
  await Promise.all(part.map((key) => write(key, true)));
  await Promise.all(part.filter((_key, index) => index % 3 === 0).map((key) => write(key, false)));
}

const { newest } = await stores.changeLog.bounds(organisation);
const said = new Map<string, boolean>();
for (const { body } of await stores.changeLog.read(organisation, 0, newest + 1)) {
  if (body.type !== 'key') continue;
  if (body.event.kind === 'key-changed') said.set(body.event.key, true);
  if (body.event.kind === 'key-removed') said.set(body.event.key, false);
}
const values = await stores.keyStore.getMany(names.map((key) => `apikey-${key}`));
const different = names.filter((key, index) => (values[index] !== undefined) !== (said.get(key) ?? false));
await stores.close();
writeSync(1, `${JSON.stringify({ errors: [...errors], taken, logged: newest, different })}\n`);
