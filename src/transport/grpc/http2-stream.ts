import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerInterceptingCallInterface, StatusObject } from '@grpc/grpc-js';

/**
 * The HTTP/2 stream below a call. The library offers no way to see bytes before it gathers them into messages,
 * so this one field of its own is read; a release without it is found by the first call, not by an attacker.
 */
export function http2StreamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  const { stream } = call as { readonly stream?: ServerHttp2Stream };
  if (typeof stream?.prependListener !== 'function' || typeof stream.pause !== 'function') {
    throw new Error('this release of @grpc/grpc-js does not show the stream of a call');
  }
  return stream;
}

/**
 * Answers a call with a status alone and tells its sender to stop: without that he may go on for as long as he
 * likes, and reading what is thrown away costs, too. Of a call that was already answered only an end is left.
 */
export function turnAway(
  call: ServerInterceptingCallInterface,
  stream: ServerHttp2Stream,
  status: Pick<StatusObject, 'code' | 'details'> & Partial<StatusObject>,
): void {
  if (stream.headersSent) {
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  call.sendStatus(status);
  stream.close(constants.NGHTTP2_NO_ERROR);
}
