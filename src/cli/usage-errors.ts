// How a command says that its input is wrong. Must stay true: all mistakes at once, one a line, on stderr.

/**
 * Exit codes of all commands. `usage` is the code of shells, of programs with getopt, and of the contract
 * (contracts/baseten.md 8.2); `unavailable` and `internal` are those of sysexits.h. `weir logs` has more: cli/logs/admin-client.ts.
 */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 69, internal: 70 } as const;

/** Prints the mistakes and returns the exit code for them. */
export function printProblems(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`weir: ${problem}\n`);
  return EXIT.usage;
}
