// Loaded into the hub's process before the hub itself. Measures how long its thread works without a pause, in
// processor time of that thread, so that a machine that is busy with other things does not count; and memory.
import { readFileSync } from 'node:fs';

const tickMs = 5;
let busyMs = 0;
let wallMs = 0;
let memoryBefore = 0;
let memoryMax = 0;
let lastCpuMs = cpuMs();
let lastMs = performance.now();

/** Processor time of the main thread; where the system does not tell, the clock. */
function cpuMs() {
  try {
    const [nanoseconds] = readFileSync('/proc/self/schedstat', 'utf8').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    return performance.now();
  }
}

/** Memory of the process's own: pages of a mapped store are the system's to take back. */
function memoryBytes() {
  try {
    const [, kib] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return Number(kib) * 1024;
  } catch {
    return process.memoryUsage.rss();
  }
}

function look() {
  const cpu = cpuMs();
  const now = performance.now();
  busyMs = Math.max(busyMs, cpu - lastCpuMs);
  wallMs = Math.max(wallMs, now - lastMs - tickMs);
  memoryMax = Math.max(memoryMax, memoryBytes());
  lastCpuMs = cpu;
  lastMs = now;
}

setInterval(look, tickMs).unref();

process.on('message', (question) => {
  if (question === 'begin') {
    globalThis.gc?.();
    setTimeout(() => {
      memoryBefore = memoryBytes();
      memoryMax = memoryBefore;
      lastCpuMs = cpuMs();
      lastMs = performance.now();
      busyMs = 0;
      wallMs = 0;
      process.send('begun');
    }, 50);
  } else {
    setTimeout(() => {
      look();
      process.send({ busyMs, wallMs, addedMib: (memoryMax - memoryBefore) / 1024 / 1024 });
    }, 50);
  }
});
process.channel?.unref();
