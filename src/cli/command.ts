// The interface of a command.

/** One command. `run` resolves to the exit code. */
export interface Command {
  readonly usage: string;
  /** What its help says below the summary. */
  details(): string;
  run(args: readonly string[]): Promise<number>;
}
