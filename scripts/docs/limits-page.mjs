import { generatedFrom, grouped, page, table } from './markdown.mjs';

const introduction = `# Limits

Everything is bounded. Reaching a bound is counted in \`causeway_limit_hits_total\` under its name and does what
is said here.`;

const kib = 1024;
const mib = 1024 * kib;

export function renderLimitsPage({ limits, limitsSource }) {
  const comments = readComments(limitsSource);
  const rows = Object.entries(limits).map(([name, value]) => {
    const comment = comments.get(name);
    if (comment === undefined)
      throw new Error(`src/domain/limits.ts: ${name} has no /** comment */ above it`);
    return [`\`${name}\``, describeValue(name, value), comment];
  });
  return page(
    generatedFrom('src/domain/limits.ts'),
    introduction,
    table(['limit', 'value', 'meaning'], rows),
  );
}

/** The comment above each name: types are gone at run time, so it is taken from the source. */
function readComments(source) {
  const comments = new Map();
  for (const [, comment, name] of source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(\w+):/g)) {
    comments.set(name, comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim());
  }
  return comments;
}

/** The unit stands last in the name, before `Max` or `Min`. */
function describeValue(name, value) {
  if (typeof value !== 'number') return String(value);
  if (/Bytes(Max|Min)?$/.test(name)) {
    if (value % mib === 0) return `${grouped(value / mib)} MiB`;
    return value % kib === 0 ? `${grouped(value / kib)} KiB` : `${grouped(value)} bytes`;
  }
  if (/Ms(Max|Min)?$/.test(name))
    return value % 1000 === 0 ? `${grouped(value / 1000)} s` : `${grouped(value)} ms`;
  return grouped(value);
}
