import { exitCodes } from '../errors/catalogue.js';
import type { CliContext } from './cli-context.js';

export interface Service {
  /** Drains; more calls change nothing. */
  stop(reason: string): Promise<void>;
  /** Takes up what changed outside without ending anything. */
  reload(reason: string): Promise<void>;
}

/** `npm start` passes Ctrl-C on to a process that the terminal has told already: that is one press, not two. */
const samePressMs = 1_000;

/**
 * What signals mean to a process that others depend on. None of them ends it undrained, but for the second Ctrl-C:
 *
 *   SIGTERM, SIGQUIT   drain, then end
 *   SIGINT             the same; again after a second: end at once, as after kill -9 nothing confirmed is lost
 *   SIGHUP             reload; when it says that the terminal was closed: drain, then end
 *   SIGUSR1, SIGUSR2   nothing: the system would end the process, or Node open a debugger
 *
 * A hangup of the terminal and `systemctl reload` are the same signal. They differ in this: the terminal is gone.
 */
export function followServiceSignals(context: CliContext, service: Service): () => void {
  const { stdout } = context;
  const stop = (signal: string) => void service.stop(signal);
  let interruptedAtMs: number | undefined;
  const ignored = [
    context.onSignal('SIGTERM', () => stop('SIGTERM')),
    context.onSignal('SIGQUIT', () => stop('SIGQUIT')),
    context.onSignal('SIGINT', () => {
      const nowMs = performance.now();
      if (interruptedAtMs !== undefined && nowMs - interruptedAtMs >= samePressMs) {
        context.exit(exitCodes.interrupted);
      }
      if (interruptedAtMs === undefined && stdout.isTerminal) {
        void context.stderr.write('draining; Ctrl-C again ends it at once\n');
      }
      interruptedAtMs ??= nowMs;
      stop('SIGINT');
    }),
    context.onSignal('SIGHUP', () => {
      if (stdout.isTerminal && context.isTerminalGone()) stop('SIGHUP');
      else void service.reload('SIGHUP');
    }),
    context.onSignal('SIGUSR1', () => {}),
    context.onSignal('SIGUSR2', () => {}),
  ];
  return () => {
    for (const ignore of ignored) ignore();
  };
}
