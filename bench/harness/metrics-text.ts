/** One series of the exposition text: `causeway_encodes_total{what="snapshot"}`. Zero when it is absent. */
export function metricValue(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
