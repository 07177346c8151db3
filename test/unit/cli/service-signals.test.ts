import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CliContext } from '../../../src/cli/cli-context.js';
import { followServiceSignals } from '../../../src/cli/service-signals.js';

function follow(terminal: 'none' | 'open' | 'gone') {
  const listeners = new Map<string, () => void>();
  const said: string[] = [];
  const output = { isTerminal: terminal !== 'none', columns: undefined, write: async () => {} };
  const context: CliContext = {
    env: {},
    stdout: output,
    stderr: output,
    readStdin: async () => Buffer.alloc(0),
    onStopSignal: () => () => {},
    onSignal: (signal, listener) => {
      listeners.set(signal, listener);
      return () => listeners.delete(signal);
    },
    isTerminalGone: () => terminal === 'gone',
    outliveReaders: () => {},
    exit: (code) => {
      said.push(`exit ${code}`);
      return undefined as never;
    },
  };
  const end = followServiceSignals(context, {
    stop: async (reason) => void said.push(`stop ${reason}`),
    reload: async (reason) => void said.push(`reload ${reason}`),
  });
  return { said, end, listeners, send: (signal: string) => listeners.get(signal)?.() };
}

describe('signals to a hub', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(['SIGTERM', 'SIGQUIT', 'SIGINT'])('%s drains', (signal) => {
    const { said, send } = follow('none');
    send(signal);
    expect(said).toEqual([`stop ${signal}`]);
  });

  it.each(['none', 'open'] as const)('SIGHUP reloads (terminal: %s)', (terminal) => {
    const { said, send } = follow(terminal);
    send('SIGHUP');
    expect(said).toEqual(['reload SIGHUP']);
  });

  it('SIGHUP of a terminal that was closed drains', () => {
    const { said, send } = follow('gone');
    send('SIGHUP');
    expect(said).toEqual(['stop SIGHUP']);
  });

  it('a second SIGINT ends at once, but not the echo of the first', () => {
    const { said, send } = follow('none');
    send('SIGINT');
    vi.advanceTimersByTime(300);
    send('SIGINT');
    expect(said).toEqual(['stop SIGINT', 'stop SIGINT']);
    vi.advanceTimersByTime(800);
    send('SIGINT');
    expect(said).toContain('exit 130');
  });

  it('SIGUSR1 and SIGUSR2 do nothing', () => {
    const { said, send, end, listeners } = follow('none');
    send('SIGUSR1');
    send('SIGUSR2');
    expect(said).toEqual([]);
    expect([...listeners.keys()]).toEqual(expect.arrayContaining(['SIGUSR1', 'SIGUSR2']));
    end();
    expect(listeners.size).toBe(0);
  });
});
