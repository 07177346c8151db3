import { limits } from '../../src/domain/limits.js';

/*
 * Bounds so low that a short simulation meets every one of them. Imported before anything that reads them;
 * each test file has a process of its own.
 */
Object.assign(limits, {
  deltaChangesMax: 6,
  chunkBytesMax: 700,
  unconfirmedDeliveriesMax: 5,
  encodedViewsMax: 6,
});
