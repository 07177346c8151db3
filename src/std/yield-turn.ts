const waiting: (() => void)[] = [];

/**
 * Lets other work of the event loop run before going on. Whoever cuts its work into pieces waits here, and of
 * all those that wait one goes on in each turn: a hundred pieces of ten milliseconds would be a second, however
 * small each of them is.
 */
export function yieldTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(next);
  });
}

function next(): void {
  waiting.shift()?.();
  // After that one has done its piece, and the others have had their turn.
  if (waiting.length > 0) setImmediate(next);
}
