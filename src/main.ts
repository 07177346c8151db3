#!/usr/bin/env node
import { buffer } from 'node:stream/consumers';
import type { WriteStream } from 'node:tty';
import type { CliContext, TextOutput } from './cli/cli-context.js';
import { runCli } from './cli/program.js';
import { reportFailure } from './cli/report-failure.js';

/** Something left open must not keep a finished command from ending. */
const lingerMsMax = 2_000;

const context: CliContext = {
  env: process.env,
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  readStdin: () => buffer(process.stdin),
  onStopSignal: (stop) => {
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    return () => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
    };
  },
};

function outputOf(stream: WriteStream): TextOutput {
  // Whoever read the output has left (`causeway ... | head`): that is no failure.
  stream.on('error', (error: NodeJS.ErrnoException) => {
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

process.exitCode = await runCli(process.argv.slice(2), context);
setTimeout(() => process.exit(), lingerMsMax).unref();
