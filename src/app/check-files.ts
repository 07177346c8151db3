import type { Configuration } from '../config/configuration.js';
import { CausewayError, describeError } from '../errors/causeway-error.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import { PrometheusMetrics } from '../telemetry/prometheus-metrics.js';
import { tlsFiles } from './hub-graph.js';

/** Reads the certificates of both ports, by the very checks of a start. Resolves to what is wrong, a line each. */
export async function checkFiles(
  configuration: Configuration,
  clock: Clock,
  log: Log,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const ports = [
    ['server_options', configuration.listener.tls],
    ['http_server_options', configuration.http.tls],
  ] as const;
  for (const [option, terms] of ports) {
    const files = tlsFiles(terms, option, { clock, log, metrics: new PrometheusMetrics() });
    if (files === undefined) continue;
    try {
      await files.start();
    } catch (thrown) {
      problems.push(thrown instanceof CausewayError ? thrown.message : describeError(thrown));
    } finally {
      await files.stop();
    }
  }
  return problems;
}
