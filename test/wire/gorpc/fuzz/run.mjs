// node test/wire/gorpc/fuzz/run.mjs <gob|inflate|requests> [seconds] [seed] [corpus folder]
//
// Coverage-guided fuzzing of the codec, without a native fuzzer: the bundled target gets a counter in each
// branch, and an input that moves a counter into a range not seen before (1, 2, 3, 4-7, 8-15 ...) is kept and
// mutated further. Begins with test/fixtures/gob-corpus/<target> and the corpus folder. At the end the inputs
// that together reach all that was reached are written there (default: a new folder under the system's
// temporary one); an input that breaks something is written there at once, and ends the run.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { parseAst } from 'rolldown/parseAst';

const [target = 'gob', seconds = '600', seed = '1', corpus] = process.argv.slice(2);
const inputBytesMax = 4_096;
const slowMs = 1_000;

async function bundle(name) {
  const { outputFiles } = await build({
    entryPoints: [new URL(name, import.meta.url).pathname],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].text;
}

/** Puts `hits[n]++` into every branch. */
function instrument(code) {
  const inserts = [];
  let count = 0;
  const hit = () => `__hits[${count++}]++`;
  const wrapExpression = (node) => {
    inserts.push([node.start, `(${hit()}, (`], [node.end, '))']);
  };
  const wrapStatement = (node) => {
    if (node.type !== 'BlockStatement') inserts.push([node.start, `{ ${hit()}; `], [node.end, ' }']);
  };
  const visit = (node) => {
    switch (node.type) {
      case 'BlockStatement':
        inserts.push([node.start + 1, `${hit()};`]);
        break;
      case 'IfStatement':
        wrapStatement(node.consequent);
        if (node.alternate !== null) wrapStatement(node.alternate);
        break;
      case 'ForStatement':
      case 'ForOfStatement':
      case 'WhileStatement':
        wrapStatement(node.body);
        break;
      case 'SwitchCase':
        if (node.consequent.length > 0) inserts.push([node.consequent[0].start, `${hit()};`]);
        break;
      case 'ConditionalExpression':
        wrapExpression(node.consequent);
        wrapExpression(node.alternate);
        break;
      case 'LogicalExpression':
        wrapExpression(node.right);
        break;
    }
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (typeof child?.type === 'string') visit(child);
      }
    }
  };
  visit(parseAst(code));
  // At the same place, what an outer node begins stands before what an inner one does, and ends after it.
  let result = code;
  const ordered = inserts.map((insert, order) => [...insert, order]);
  ordered.sort((left, right) => {
    if (left[0] !== right[0]) return right[0] - left[0];
    const ends = [left, right].map(([, text]) => text === '))' || text === ' }');
    if (ends[0] !== ends[1]) return ends[0] ? 1 : -1;
    return ends[0] ? left[2] - right[2] : right[2] - left[2];
  });
  for (const [at, text] of ordered) result = result.slice(0, at) + text + result.slice(at);
  return { code: result, count };
}

const folder = mkdtempSync(join(tmpdir(), 'causeway-fuzz-'));
const found = corpus ?? join(folder, 'corpus');
mkdirSync(found, { recursive: true });
const { code, count } = instrument(await bundle('./targets.ts'));
const hits = new Uint32Array(count);
globalThis.__hits = hits;
writeFileSync(join(folder, 'targets.mjs'), code);
writeFileSync(join(folder, 'mutate.mjs'), await bundle('./mutate.ts'));
const { fuzzTargets } = await import(join(folder, 'targets.mjs'));
const { mutate } = await import(join(folder, 'mutate.mjs'));
const fuzz = fuzzTargets[target];
if (fuzz === undefined) throw new Error(`no target ${target}`);

let state = Number(seed) >>> 0;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  // The low bits of this generator repeat early.
  return ((state >>> 8) & 0xff_ffff) / 2 ** 24;
};

/** Bits of the ranges seen, per counter. */
const seen = new Uint32Array(count);
const pool = [];
let slowest = 0;
let executions = 0;

function run(input) {
  hits.fill(0);
  const before = performance.now();
  try {
    fuzz(Buffer.from(input));
  } catch (thrown) {
    const file = join(found, `broken-${executions}`);
    writeFileSync(file, input);
    console.log(`${file}: ${thrown?.stack ?? thrown}`);
    process.exit(1);
  }
  const took = performance.now() - before;
  slowest = Math.max(slowest, took);
  if (took > slowMs) {
    writeFileSync(join(found, `slow-${executions}`), input);
    console.log(`slow: ${took.toFixed(0)} ms`);
  }
  executions++;
  const features = [];
  let fresh = false;
  for (let index = 0; index < count; index++) {
    const times = hits[index];
    if (times === 0) continue;
    const range = times < 4 ? times - 1 : Math.min(31, 1 + Math.floor(Math.log2(times)));
    features.push(index * 32 + range);
    if ((seen[index] & (1 << range)) === 0) {
      seen[index] |= 1 << range;
      fresh = true;
    }
  }
  if (fresh) pool.push({ input: Buffer.from(input), features });
}

const reached = () => seen.reduce((sum, ranges) => sum + (ranges === 0 ? 0 : 1), 0);
function report() {
  const rss = (process.memoryUsage().rss / 2 ** 20).toFixed(0);
  console.log(
    `${executions} runs, ${reached()}/${count} branches, ${pool.length} inputs kept, ` +
      `slowest ${slowest.toFixed(0)} ms, rss ${rss} MiB`,
  );
}

const seeds = new URL(`../../../fixtures/gob-corpus/${target}/`, import.meta.url).pathname;
for (const place of [seeds, found]) {
  for (const name of readdirSync(place)) run(readFileSync(join(place, name)));
}
const end = Date.now() + Number(seconds) * 1000;
let next = Date.now() + 10_000;
while (Date.now() < end) {
  for (let turn = 0; turn < 200; turn++) {
    // The newer half is tried more often: what is new is where more may be found.
    const from = random() < 0.5 ? 0 : Math.floor(pool.length / 2);
    const { input } = pool[from + Math.floor(random() * (pool.length - from))];
    const other = pool[Math.floor(random() * pool.length)].input;
    run(mutate(input, other, random, inputBytesMax));
  }
  if (Date.now() > next) {
    report();
    next += 60_000;
  }
}
report();

// Small inputs first: the ones that still add something are worth keeping.
const covered = new Set();
let kept = 0;
for (const { input, features } of pool.toSorted((left, right) => left.input.length - right.input.length)) {
  if (features.every((feature) => covered.has(feature))) continue;
  for (const feature of features) covered.add(feature);
  writeFileSync(join(found, `found-${String(kept++).padStart(4, '0')}`), input);
}
console.log(`${kept} inputs in ${found}`);
