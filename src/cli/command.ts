// The interface of a command.

/** One command. `run` resolves to the exit code. */
export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly details: string;
  run(args: readonly string[]): Promise<number>;
}
