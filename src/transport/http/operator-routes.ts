import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { dataplanesJson } from './dataplanes.js';
import type { OperatorViews } from './operator-views.js';
import type { ReadinessCache } from './readiness-cache.js';

/** Open to everybody who reaches the port: probes and the metrics scraper. */
export function addProbeRoutes(http: FastifyInstance, readiness: ReadinessCache, views: OperatorViews): void {
  http.get('/health', async (_, reply) => reply.type('text/plain; charset=utf-8').send('OK'));
  http.get('/liveness', async () => ({ status: 'pass', status_code: 200 }));
  http.get('/readiness', async (_, reply) => {
    const status = readiness.passes ? 'pass' : 'fail';
    const statusCode = readiness.passes ? 200 : 503;
    const components = readiness.components.map(({ name, status, observedAtMs, reason }) => ({
      name,
      status,
      observation_ts: new Date(observedAtMs).toISOString(),
      ...(reason !== undefined && { reason }),
    }));
    return reply.code(statusCode).send({ status, status_code: statusCode, components });
  });
  http.get('/metrics', async (_, reply) =>
    reply.type(views.metrics.contentType).send(await views.metrics.text()),
  );
}

/** Behind the guard; added only with `security.enable_http_secure_endpoints`. */
export function addSecureRoutes(http: FastifyInstance, views: OperatorViews): void {
  const { configuration } = views;
  http.get('/config', async (request, reply) => {
    const field = queryText(request, 'field');
    if (field === undefined) return configuration.describe();
    return configuration.findField(field) ?? notFound(reply, 'field not found');
  });
  http.get('/env', async (request, reply) => {
    const name = queryText(request, 'env');
    if (name === undefined) return configuration.listEnvironment();
    return configuration.findEnvironment(name) ?? notFound(reply, 'environment variable not found');
  });
  http.get('/dataplanes', async () => dataplanesJson(views.fleet()));
}

/** 400, not 404: that is what the field answers. */
function notFound(reply: FastifyReply, error: string): FastifyReply {
  return reply.code(400).send({ error });
}

function queryText(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
