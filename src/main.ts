#!/usr/bin/env node
import { closeSync, openSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { isatty, type WriteStream } from 'node:tty';
import type { CliContext, TextOutput } from './cli/cli-context.js';
import { runCli } from './cli/program.js';
import { reportFailure } from './cli/report-failure.js';

/** Something left open must not keep a finished command from ending. */
const lingerMsMax = 2_000;

let outlivesReaders = false;

const context: CliContext = {
  env: process.env,
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  readStdin: () => buffer(process.stdin),
  onStopSignal: (stop) => {
    const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, stop);
    return () => {
      for (const signal of signals) process.off(signal, stop);
    };
  },
  onSignal: (signal, listener) => {
    process.on(signal, listener);
    return () => void process.off(signal, listener);
  },
  isTerminalGone: () => process.stdout.isTTY === true && !isatty(1),
  outliveReaders: () => {
    outlivesReaders = true;
  },
  exit: (code) => process.exit(code),
};

function outputOf(stream: WriteStream): TextOutput {
  // Whoever read the output has left (`causeway ... | head`): that is no failure.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (outlivesReaders) return;
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.isTTY === true ? stream.columns : undefined,
    terminal: stream.isTTY === true ? stream : undefined,
    write: (text) =>
      new Promise((resolve) => {
        stream.write(text, () => resolve());
      }),
  };
}

// Deprecations in libraries are for us, not for those who read this process's output.
process.noDeprecation = true;

process.on('uncaughtException', (error) => {
  reportFailure(error, context).then((code) => process.exit(code));
});

// At its end Node gives the terminal its settings back, and aborts when the terminal is gone.
process.on('exit', () => {
  if (!context.isTerminalGone()) return;
  for (const fd of [0, 1, 2]) {
    closeSync(fd);
    openSync('/dev/null', 'r+');
  }
});

process.exitCode = await runCli(process.argv.slice(2), context);
setTimeout(() => process.exit(), lingerMsMax).unref();
