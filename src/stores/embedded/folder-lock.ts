import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rename, rm, symlink, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/*
 * One process per data folder, by listening sockets in the folder.
 *
 * Whether a socket file has a listener is known to the kernel alone: it is true until the process is gone,
 * however it went, and it stays true between containers that share a folder. That rules out what else was
 * weighed: a file with a process id (in two containers both hubs are process 1; ids are used again), a lock
 * file with a start time (the same), an abstract socket (Linux only, and one per network namespace). Node
 * offers no flock or fcntl.
 *
 * Taking the lock is "publish, then look":
 *   1. listen on a socket of a fresh random name, and only then rename it to `hub-<id>.sock`: a published
 *      name that refuses connections has no listener any more, will never have one, and may be deleted;
 *   2. connect to every other published name. All dead: the lock is held. One answers that it holds: refused.
 *      One answers that it is also starting: the smaller id waits and looks again, the greater gives up.
 * Of two processes the later to publish finds the earlier one's name when it looks, so both can never hold.
 */

export interface LockHolder {
  readonly pid: number;
  readonly host: string;
}

export interface FolderLock {
  release(): Promise<void>;
}

export type FolderLockResult =
  | { readonly lock: FolderLock }
  /** undefined: it lives but does not answer, for example because it is stopped. */
  | { readonly holder: LockHolder | undefined };

interface Greeting extends LockHolder {
  readonly holds: boolean;
}

const publishedName = /^hub-[0-9a-f]{16}\.sock$/;
/** A holder whose event loop is busy is still the holder: the wait only serves its name. */
const greetingTimeoutMs = 1_000;
const rivalWaitMs = 20;
/** A rival that is starting either holds or gives up within milliseconds. */
const rivalLooksMax = 250;

/** Rejects with the errors of the file system; the folder must exist. */
export async function lockFolder(folder: string): Promise<FolderLockResult> {
  const name = `hub-${randomBytes(8).toString('hex')}.sock`;
  let holds = false;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    const greeting: Greeting = { pid: process.pid, host: hostname(), holds };
    socket.end(JSON.stringify(greeting));
  });
  await publish(server, folder, name);
  const release = async (): Promise<void> => {
    await unlink(join(folder, name)).catch(() => {});
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  };
  try {
    for (let look = 0; look < rivalLooksMax; look += 1) {
      const rival = await findRival(folder, name);
      if (rival === undefined) {
        holds = true;
        return { lock: { release } };
      }
      if (rival.holder === undefined || rival.holder.holds || rival.name < name) {
        await release();
        return { holder: rival.holder };
      }
      await sleep(rivalWaitMs);
    }
    await release();
    return { holder: undefined };
  } catch (error) {
    await release();
    throw error;
  }
}

interface Rival {
  readonly name: string;
  readonly holder: Greeting | undefined;
}

/** The holder if there is one, else whoever else is starting, the smallest id first. */
async function findRival(folder: string, ownName: string): Promise<Rival | undefined> {
  const names = (await readdir(folder)).filter((name) => publishedName.test(name) && name !== ownName).sort();
  let starting: Rival | undefined;
  for (const name of names) {
    const answer = await greet(folder, name);
    if (answer === 'dead') {
      await unlink(join(folder, name)).catch(() => {});
      continue;
    }
    const rival = { name, holder: answer === 'silent' ? undefined : answer };
    if (rival.holder === undefined || rival.holder.holds) return rival;
    starting ??= rival;
  }
  return starting;
}

async function publish(server: Server, folder: string, name: string): Promise<void> {
  const unpublished = `${name}.new`;
  await withShortPath(folder, async (short) => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(short, unpublished), resolve);
    });
  });
  server.on('error', () => {});
  server.unref();
  await rename(join(folder, unpublished), join(folder, name));
}

function greet(folder: string, name: string): Promise<Greeting | 'dead' | 'silent'> {
  return withShortPath(folder, (short) => {
    return new Promise((resolve) => {
      const socket: Socket = createConnection(join(short, name));
      let text = '';
      let connected = false;
      const finish = (answer: Greeting | 'dead' | 'silent'): void => {
        socket.destroy();
        resolve(answer);
      };
      socket.setEncoding('utf8');
      socket.setTimeout(greetingTimeoutMs, () => finish('silent'));
      socket.on('connect', () => {
        connected = true;
      });
      socket.on('data', (part: string) => {
        text += part;
      });
      socket.on('end', () => finish(readGreeting(text)));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        const gone = error.code === 'ECONNREFUSED' || error.code === 'ENOENT';
        finish(!connected && gone ? 'dead' : 'silent');
      });
    });
  });
}

function readGreeting(text: string): Greeting | 'silent' {
  try {
    const greeting: unknown = JSON.parse(text);
    if (typeof greeting !== 'object' || greeting === null) return 'silent';
    const { pid, host, holds } = greeting as Readonly<Record<string, unknown>>;
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof holds !== 'boolean') return 'silent';
    return { pid, host, holds };
  } catch {
    return 'silent';
  }
}

/** The path of a socket has 104 bytes on macOS and 108 on Linux, a temporary link makes any folder fit. */
const socketPathBytesMax = 100;
const socketNameBytes = 'hub-0123456789abcdef.sock.new'.length;

async function withShortPath<Result>(
  folder: string,
  use: (short: string) => Promise<Result>,
): Promise<Result> {
  if (Buffer.byteLength(folder) + 1 + socketNameBytes <= socketPathBytesMax) return use(folder);
  const holder = await mkdtemp(join(tmpdir(), 'cw-'));
  try {
    const link = join(holder, 'd');
    await symlink(folder, link);
    return await use(link);
  } finally {
    await rm(holder, { recursive: true, force: true });
  }
}
