/** What a command may touch of the process it runs in. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where data goes. */
  readonly stdout: TextOutput;
  /** Where everything for people goes that is not the data asked for. */
  readonly stderr: TextOutput;
  readStdin(): Promise<Buffer>;
  /** Calls back for what asks a command to end, until the returned function is called. */
  onStopSignal(stop: (signal: string) => void): () => void;
  /** Calls back for a signal, instead of what the system does, until the returned function is called. */
  onSignal(signal: NodeJS.Signals, listener: () => void): () => void;
  /** Standard output was a terminal when the process began, and that is closed by now. */
  isTerminalGone(): boolean;
  /** From now on whoever reads the output may leave without ending the process. */
  outliveReaders(): void;
  /** Ends the process on the spot. */
  exit(code: number): never;
}

export interface TextOutput {
  readonly isTerminal: boolean;
  /** Width of the terminal; undefined: none. */
  readonly columns: number | undefined;
  /** The terminal itself, for what moves on it; undefined: none. */
  readonly terminal?: NodeJS.WriteStream | undefined;
  /** Resolves when more may be written. */
  write(text: string): Promise<void>;
}

/** Names with our prefix that only commands read: a hub says nothing about them. */
export const commandEnvironmentNames = [
  'CAUSEWAY_URL',
  'CAUSEWAY_SECRET',
  'CAUSEWAY_API_KEY',
  'CAUSEWAY_DEBUG',
] as const;

/** A command's data as JSON: one document, or one per line for what never ends. */
export function writeJson(output: TextOutput, value: unknown): Promise<void> {
  return output.write(`${JSON.stringify(value, undefined, output.isTerminal ? 2 : undefined)}\n`);
}

/** Folder with `credentials.json`, as the hub writes it. */
export function dataFolderOf(context: CliContext, option: string | undefined): string {
  return option ?? (context.env['CAUSEWAY_DATA_PATH'] || './var');
}
