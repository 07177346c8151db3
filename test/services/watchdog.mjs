// Ends the services of a test process that has ended, however it ended. Reads one JSON message per line:
//   {"watch":{"pid":1,"signal":"SIGTERM"}}  {"forget":{"pid":1}}  {"remove":{"folder":"/tmp/x"}}  {"removed":{"folder":"/tmp/x"}}
// When the stream ends, the test process is gone: what is still watched is stopped and removed.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

const patienceMs = 3_000;
const signals = new Map();
const folders = new Set();

process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const { watch, forget, remove, removed } = JSON.parse(line);
  if (watch) signals.set(watch.pid, watch.signal);
  if (forget) signals.delete(forget.pid);
  if (remove) folders.add(remove.folder);
  if (removed) folders.delete(removed.folder);
}

for (const [pid, signal] of signals) send(pid, signal);
const end = performance.now() + patienceMs;
while (performance.now() < end && [...signals.keys()].some((pid) => send(pid, 0))) await setTimeout(20);
for (const pid of signals.keys()) send(pid, 'SIGKILL');
for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

function send(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
