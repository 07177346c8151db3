// Loaded into the hub's process before the hub itself. Measures how long its thread works without a pause, in
// processor time of that thread, so that a machine that is busy with other things does not count; and memory.
import { readFileSync } from 'node:fs';

const tickMs = 5;
let busyMs = 0;
let wallMs = 0;
let rssBefore = 0;
let rssMax = 0;
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

function look() {
  const cpu = cpuMs();
  const now = performance.now();
  busyMs = Math.max(busyMs, cpu - lastCpuMs);
  wallMs = Math.max(wallMs, now - lastMs - tickMs);
  rssMax = Math.max(rssMax, process.memoryUsage.rss());
  lastCpuMs = cpu;
  lastMs = now;
}

setInterval(look, tickMs).unref();

process.on('message', (question) => {
  if (question === 'begin') {
    globalThis.gc?.();
    setTimeout(() => {
      rssBefore = process.memoryUsage.rss();
      rssMax = rssBefore;
      lastCpuMs = cpuMs();
      lastMs = performance.now();
      busyMs = 0;
      wallMs = 0;
      process.send('begun');
    }, 50);
  } else {
    setTimeout(() => {
      look();
      process.send({ busyMs, wallMs, addedMib: (rssMax - rssBefore) / 1024 / 1024 });
    }, 50);
  }
});
process.channel?.unref();
