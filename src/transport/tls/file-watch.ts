import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../../ports/clock.js';

export interface FileWatchTiming {
  /** Quiet time after an event, so that a certificate and its key are both written. */
  readonly settleMs: number;
  /** Network file systems and some container mounts send no events. */
  readonly pollIntervalMs: number;
}

/**
 * Calls `onMaybeChanged` after events near the files and at every poll; the caller compares contents.
 * Folders are watched, not files: Kubernetes swaps a symbolic link beside them, and editors replace a file
 * by another one. Returns the way to end the watch.
 */
export function watchFiles(
  files: readonly string[],
  clock: Clock,
  timing: FileWatchTiming,
  onMaybeChanged: () => void,
): () => void {
  let settling: Timer | undefined;
  const onEvent = (): void => {
    settling?.cancel();
    settling = clock.after(timing.settleMs, onMaybeChanged);
  };
  const watchers: FSWatcher[] = [];
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    try {
      const watcher = watch(folder, { persistent: false }, onEvent);
      // A folder that goes away or a watch limit that is hit: polling goes on.
      watcher.on('error', () => watcher.close());
      watchers.push(watcher);
    } catch {
      // Cannot be watched: polling has to do.
    }
  }
  let polling: Timer;
  const poll = (): void => {
    onMaybeChanged();
    polling = clock.after(timing.pollIntervalMs, poll);
  };
  polling = clock.after(timing.pollIntervalMs, poll);
  return () => {
    settling?.cancel();
    polling.cancel();
    for (const watcher of watchers) watcher.close();
  };
}
