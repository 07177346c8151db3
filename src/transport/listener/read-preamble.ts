import type { Duplex } from 'node:stream';

/** Protocols make themselves known in far fewer; more without a verdict is nobody's protocol. */
const preambleBytesMax = 512;

/**
 * Shows the first bytes of a stream to `judge` until it has a verdict, then puts them back: whoever takes the
 * stream next reads them again. The stream stays paused. Resolves to undefined when the stream closes or ends
 * first, and to `overflow` when there is no verdict in 512 bytes.
 *
 * Paused reading and `unshift` is the one way that Node's TLS and HTTP/2 both honour: they take over the native
 * handle, and read what is buffered in the stream before they do.
 */
export function readPreamble<Verdict>(
  stream: Duplex,
  judge: (head: Buffer) => Verdict | undefined,
  overflow: Verdict,
): Promise<Verdict | undefined> {
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    const finish = (settle: () => void): void => {
      stream.off('readable', onReadable);
      stream.off('end', onClosed);
      stream.off('close', onClosed);
      settle();
    };
    const onClosed = (): void => finish(() => resolve(undefined));
    const onReadable = (): void => {
      try {
        for (let chunk = readChunk(stream); chunk !== undefined; chunk = readChunk(stream)) {
          head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        }
        if (head.length === 0) return;
        const verdict = judge(head) ?? (head.length > preambleBytesMax ? overflow : undefined);
        if (verdict === undefined) return;
        finish(() => {
          stream.unshift(head);
          resolve(verdict);
        });
      } catch (thrown) {
        finish(() => reject(thrown));
      }
    };
    if (stream.destroyed || stream.readableEnded) {
      resolve(undefined);
      return;
    }
    stream.on('end', onClosed);
    stream.on('close', onClosed);
    stream.on('readable', onReadable);
    onReadable();
  });
}

function readChunk(stream: Duplex): Buffer | undefined {
  const chunk: unknown = stream.read();
  return Buffer.isBuffer(chunk) ? chunk : undefined;
}
