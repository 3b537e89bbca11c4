// Exit codes, and usage errors. Invariant: all mistakes are printed at once, one per line, on stderr.

/**
 * Exit codes of all commands; `weir logs` has more (cli/logs/admin-client.ts). 2 for usage errors is common and in the
 * contract (docs/contracts/serving.md 8.2); `unavailable` and `internal` are those of sysexits.h.
 */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 69, internal: 70 } as const;

/** Prints the mistakes. Returns the exit code for usage errors. */
export function printProblems(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`weir: ${problem}\n`);
  return EXIT.usage;
}
