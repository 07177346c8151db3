import type { FastifyInstance, RouteOptions } from 'fastify';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/**
 * Answers 405 with `Allow` where a path of this scope is asked for with another method than it has; without it the
 * answer would be 404, as if there were no such path. Behind the same hooks as the path itself, so a guarded path
 * shows nobody that it is there. Call it before the routes are added.
 */
export function refuseOtherMethods(http: FastifyInstance): void {
  const known = new Map<string, Set<string>>();
  let adding = false;
  http.addHook('onRoute', function ({ url, method }: RouteOptions & { readonly url: string }) {
    // A scope within this one answers for its own paths.
    if (adding || this !== http) return;
    const own = known.get(url) ?? new Set();
    for (const one of [method].flat()) own.add(one);
    known.set(url, own);
  });
  // Right after the scope's own routes: what Fastify adds for them (HEAD beside GET) is known by then.
  http.after(() => {
    adding = true;
    for (const [url, own] of known) {
      const allow = [...own].sort().join(', ');
      http.route({
        url: url.slice(http.prefix.length) || '/',
        method: methods.filter((method) => !own.has(method)),
        handler: (_, reply) =>
          reply
            .code(405)
            .header('allow', allow)
            .send({ error: `method not allowed; ${allow}`, code: 'REQUEST_INVALID' }),
      });
    }
  });
}
