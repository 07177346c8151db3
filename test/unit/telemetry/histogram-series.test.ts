import { describe, expect, it } from 'vitest';
import { HistogramSeries } from '../../../src/telemetry/histogram-series.js';

const asGiven = (_label: string, value: string) => value;

describe('histogram series', () => {
  it('counts a value in its bucket and in all larger ones', () => {
    const series = new HistogramSeries('h', ['p'], [0.1, 1], asGiven);
    for (const value of [0.1, 0.5, 0.5, 7]) series.observe({ p: 'x' }, value);
    expect(series.lines()).toEqual([
      'h_bucket{le="0.1",p="x"} 1',
      'h_bucket{le="1",p="x"} 3',
      'h_bucket{le="+Inf",p="x"} 4',
      'h_sum{p="x"} 8.1',
      'h_count{p="x"} 4',
    ]);
  });

  it('keeps label values apart, given as the same object or not', () => {
    const series = new HistogramSeries('h', ['p'], [], asGiven);
    const x = { p: 'x' };
    series.observe(x, 1);
    series.observe({ p: 'y' }, 1);
    series.observe(x, 1);
    series.observe({ p: 'x' }, 1);
    expect(series.lines().filter((line) => line.startsWith('h_count'))).toEqual([
      'h_count{p="x"} 3',
      'h_count{p="y"} 1',
    ]);
  });

  it('folds and escapes label values, and does without labels', () => {
    const folded = new HistogramSeries('h', ['zone'], [], () => 'a"b\\\n');
    folded.observe({ zone: 'one' }, 1);
    expect(folded.lines()).toContain('h_count{zone="a\\"b\\\\\\n"} 1');
    const bare = new HistogramSeries('h', [], [1], asGiven);
    expect(bare.lines()).toEqual([]);
    bare.observe({}, 2);
    expect(bare.lines()).toEqual(['h_bucket{le="1"} 0', 'h_bucket{le="+Inf"} 1', 'h_sum 2', 'h_count 1']);
  });
});
