import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { until } from '../harness/pause.js';

/** A Redis of its own on a free port, without persistence. */
export interface RedisProcess {
  readonly port: number;
  stop(): Promise<void>;
}

/** Resolves when it takes connections. Ends with this process at the latest. */
export async function startRedis(folder: string): Promise<RedisProcess> {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const server = spawn('redis-server', args, { stdio: 'ignore' });
  let failure: Error | undefined;
  server.once('error', (error) => {
    failure = error;
  });
  const exited = once(server, 'exit').catch(() => {});
  const kill = () => server.kill('SIGKILL');
  process.once('exit', kill);
  await until('redis-server takes connections', () => {
    if (failure !== undefined) throw new Error(`redis-server is needed: ${failure.message}`);
    return takesConnections(port);
  });
  return {
    port,
    stop: async () => {
      process.off('exit', kill);
      kill();
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
