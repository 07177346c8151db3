import type { FastifyInstance } from 'fastify';
import { CausewayError } from '../../errors/causeway-error.js';
import type { Profiler } from './profiler.js';

const secondsDefault = 30;
const secondsMax = 300;

/** The paths that `go tool pprof` asks for; added only with `enable_http_profiler`. */
export function addProfilerRoutes(http: FastifyInstance, profiler: Profiler): void {
  http.get('/debug/pprof', async (_, reply) =>
    reply.type('text/plain; charset=utf-8').send('profile?seconds=30\nheap\n'),
  );
  http.get('/debug/pprof/profile', async (request, reply) => {
    const { seconds: text = String(secondsDefault) } = request.query as Readonly<Record<string, unknown>>;
    const seconds = Number(text);
    if (!(seconds > 0 && seconds <= secondsMax)) {
      throw new CausewayError('REQUEST_INVALID', `seconds: must be above 0 and at most ${secondsMax}`);
    }
    const file = await profiler.cpuProfile(seconds * 1_000);
    return reply
      .type('application/octet-stream')
      .header('content-disposition', 'attachment; filename="profile.pb.gz"')
      .send(file);
  });
  http.get('/debug/pprof/heap', async (_, reply) =>
    reply
      .type('application/octet-stream')
      .header('content-disposition', 'attachment; filename="heap.pb.gz"')
      .send(await profiler.heapProfile()),
  );
}
