import { writeSync } from 'node:fs';
import { openDataFolder } from '../../../src/stores/embedded/data-folder.js';

/** Takes the folder given as argument, says `held` or the code of the refusal, and stays until it is killed. */
try {
  await openDataFolder(process.argv[2] ?? '');
  writeSync(1, 'held\n');
} catch (error) {
  writeSync(1, `${String((error as { readonly code?: string }).code)}\n`);
}
setInterval(() => {}, 1_000);
