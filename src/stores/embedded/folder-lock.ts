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
 *   2. connect to every other published name. All dead: the lock is held. One answers that it holds, or does
 *      not answer: refused. One answers that it is also starting: the smaller id waits and looks again, the
 *      greater gives up. One hangs up without an answer: it is just ending, look again.
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
      const { answer } = rival;
      if (answer === 'silent' || (answer !== 'hung-up' && (answer.holds || rival.name < name))) {
        await release();
        return { holder: answer === 'silent' ? undefined : answer };
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

type Answer = Greeting | 'silent' | 'hung-up';

interface Rival {
  readonly name: string;
  readonly answer: Answer;
}

/** The holder if there is one, else whoever else is alive, the smallest id first. */
async function findRival(folder: string, ownName: string): Promise<Rival | undefined> {
  const names = (await readdir(folder)).filter((name) => publishedName.test(name) && name !== ownName).sort();
  let other: Rival | undefined;
  for (const name of names) {
    const answer = await greet(folder, name);
    if (answer === 'dead') {
      await unlink(join(folder, name)).catch(() => {});
      continue;
    }
    const rival = { name, answer };
    if (answer === 'silent' || (answer !== 'hung-up' && answer.holds)) return rival;
    other ??= rival;
  }
  return other;
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

function greet(folder: string, name: string): Promise<Answer | 'dead'> {
  return withShortPath(folder, (short) => {
    return new Promise((resolve) => {
      const socket: Socket = createConnection(join(short, name));
      let text = '';
      let connected = false;
      const finish = (answer: Answer | 'dead'): void => {
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
        const { code } = error;
        if (connected || code === 'ECONNRESET' || code === 'EPIPE') finish('hung-up');
        else finish(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'dead' : 'silent');
      });
    });
  });
}

function readGreeting(text: string): Answer {
  if (text === '') return 'hung-up';
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
