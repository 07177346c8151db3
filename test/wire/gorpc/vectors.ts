import { readFileSync } from 'node:fs';

/** Bytes recorded between a real client and a real server, one call after another on one connection. */
export interface Vectors {
  readonly preamble: Buffer;
  readonly steps: readonly VectorStep[];
}

export interface VectorStep {
  readonly method: string;
  readonly request: unknown;
  readonly response: unknown;
  readonly error: string | undefined;
  readonly clientToServer: Buffer;
  readonly serverToClient: Buffer;
}

interface VectorFile {
  readonly preamble: string;
  readonly steps: readonly {
    readonly method: string;
    readonly request: unknown;
    readonly response: unknown;
    readonly error?: string;
    readonly client_to_server: string;
    readonly server_to_client: string;
  }[];
}

export function readVectors(name: 'plain' | 'deflate'): Vectors {
  const url = new URL(`../../fixtures/vectors/gorpc-${name}.golden.json`, import.meta.url);
  const file = JSON.parse(readFileSync(url, 'utf8')) as VectorFile;
  return {
    preamble: Buffer.from(file.preamble, 'hex'),
    steps: file.steps.map((step) => ({
      method: step.method,
      request: step.request,
      response: step.response,
      error: step.error,
      clientToServer: Buffer.from(step.client_to_server, 'hex'),
      serverToClient: Buffer.from(step.server_to_client, 'hex'),
    })),
  };
}

/** All that the client sent, from the first byte of the connection on. */
export function clientBytes(vectors: Vectors): Buffer {
  return Buffer.concat([vectors.preamble, ...vectors.steps.map((step) => step.clientToServer)]);
}
