import { generatedFrom, page, table } from './markdown.mjs';

const introduction = `# Metrics

Served in the Prometheus text format at \`/metrics\` of the HTTP port. Names end in their unit. Label sets are
bounded: further values of \`zone\` and \`organisation\` are counted as \`other\` (\`metricLabelValuesMax\` in
[limits](limits.md)).`;

export function renderMetricsPage({ metricTable }) {
  const entries = Object.entries(metricTable);
  const metrics = table(
    ['metric', 'type', 'labels', 'meaning'],
    entries.map(([name, entry]) => [
      `\`${name}\``,
      entry.type,
      entry.labels.map((label) => `\`${label}\``).join(', ') || '-',
      entry.help,
    ]),
  );
  const histograms = entries.filter(([, entry]) => entry.buckets !== undefined);
  const buckets = table(
    ['histogram', 'upper bounds of its buckets'],
    histograms.map(([name, entry]) => [`\`${name}\``, entry.buckets.join(', ')]),
  );
  const blocks = histograms.length === 0 ? [] : ['## Buckets', buckets];
  return page(generatedFrom('src/ports/metrics.ts'), introduction, metrics, blocks);
}
