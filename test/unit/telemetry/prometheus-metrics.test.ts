import { describe, expect, it } from 'vitest';
import { type MetricName, metricTable } from '../../../src/ports/metrics.js';
import { PrometheusMetrics } from '../../../src/telemetry/prometheus-metrics.js';

const bare = (labelValuesMax = 200) => new PrometheusMetrics({ processMetrics: false, labelValuesMax });

async function lines(metrics: PrometheusMetrics): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('prometheus metrics', () => {
  it('announces every metric of the table, unlabelled ones with zero', async () => {
    const text = await bare().text();
    for (const name of Object.keys(metricTable) as MetricName[]) {
      expect(text).toContain(`# TYPE ${name} ${metricTable[name].type}`);
    }
    expect(text).toContain('causeway_analytics_received_records_total 0');
  });

  it('counts, sets and observes', async () => {
    const metrics = bare();
    metrics.add('causeway_logins_total', { protocol: 'grpc', result: 'ok' });
    metrics.add('causeway_logins_total', { protocol: 'grpc', result: 'ok' }, 2);
    metrics.add('causeway_connections', { protocol: 'gorpc' });
    metrics.add('causeway_connections', { protocol: 'gorpc' }, -1);
    metrics.set('causeway_analytics_spool_bytes', {}, 42);
    metrics.observe('causeway_call_duration_seconds', { protocol: 'grpc' }, 0.02);
    const text = await lines(metrics);
    expect(text).toContain('causeway_logins_total{protocol="grpc",result="ok"} 3');
    expect(text).toContain('causeway_connections{protocol="gorpc"} 0');
    expect(text).toContain('causeway_analytics_spool_bytes 42');
    expect(text).toContain('causeway_call_duration_seconds_bucket{le="0.05",protocol="grpc"} 1');
    expect(text).toContain('causeway_call_duration_seconds_bucket{le="0.01",protocol="grpc"} 0');
    expect(await lines(metrics)).toEqual(text);
  });

  it('counts the same labels given again, also across a reset', async () => {
    const metrics = bare();
    const labels = { organisation: 'a' };
    metrics.add('causeway_catalog_held_removals', labels);
    metrics.add('causeway_catalog_held_removals', labels);
    metrics.add('causeway_catalog_held_removals', { organisation: 'b' });
    metrics.add('causeway_catalog_held_removals', labels);
    expect(await lines(metrics)).toContain('causeway_catalog_held_removals{organisation="a"} 3');
    metrics.reset('causeway_catalog_held_removals');
    metrics.add('causeway_catalog_held_removals', labels);
    expect(await lines(metrics)).toContain('causeway_catalog_held_removals{organisation="a"} 1');
  });

  it('forgets the values of a gauge that is reset', async () => {
    const metrics = bare();
    metrics.set('causeway_catalog_held_removals', { organisation: 'a' }, 3);
    metrics.reset('causeway_catalog_held_removals');
    expect((await lines(metrics)).join('\n')).not.toContain('organisation="a"');
  });

  it('counts zones beyond the bound as other, and says so', async () => {
    const metrics = bare(2);
    metrics.reset('causeway_workers');
    metrics.reset('causeway_zone_lag_entries');
    for (const [zone, value] of [
      ['one', 1],
      ['two', 2],
      ['three', 30],
      ['four', 4],
      ['one', 5],
    ] as const) {
      metrics.set('causeway_workers', { organisation: 'a', zone }, value);
      metrics.set('causeway_zone_lag_entries', { organisation: 'a', zone }, value);
    }
    const text = await lines(metrics);
    expect(text).toContain('causeway_workers{organisation="a",zone="one"} 5');
    expect(text).toContain('causeway_workers{organisation="a",zone="two"} 2');
    expect(text).toContain('causeway_workers{organisation="a",zone="other"} 34');
    expect(text).toContain('causeway_zone_lag_entries{organisation="a",zone="other"} 30');
    expect(text).toContain('causeway_limit_hits_total{limit="metricLabelValuesMax"} 4');
    expect(text.join('\n')).not.toContain('three');
  });

  it('bounds organisations apart from zones', async () => {
    const metrics = bare(1);
    for (const organisation of ['a', 'b', 'c']) {
      metrics.add('causeway_workers', { organisation, zone: 'z' });
    }
    const text = await lines(metrics);
    expect(text).toContain('causeway_workers{organisation="a",zone="z"} 1');
    expect(text).toContain('causeway_workers{organisation="other",zone="z"} 2');
  });

  it('escapes quotes and newlines in label values', async () => {
    const metrics = bare();
    metrics.add('causeway_logins_total', { protocol: 'a"b', result: 'c\nd' });
    expect(await lines(metrics)).toContain('causeway_logins_total{protocol="a\\"b",result="c\\nd"} 1');
  });

  it('adds process metrics with the delay of the event loop', async () => {
    const text = await new PrometheusMetrics().text();
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  });
});
