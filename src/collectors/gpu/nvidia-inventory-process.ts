// A child process of nvidia-inventory.ts: runs nvidia-smi once, prints the inventory as JSON and exits.
// Invariant: it prints exactly one line, `{"cards"}` or `{"problem"}`.
// Only this file loads node-nvidia-smi, which never calls back if the driver hangs and cannot be stopped. In a process
// of its own it can be killed together with nvidia-smi, and its parsing does not block the data plane.
import { createRequire } from 'node:module';
import { describe } from '../../core/errors.ts';
import { parseInventory, type InventoryCard } from './nvidia-cards.ts';

/** The printed line. */
export type InventoryOutput = { readonly cards: readonly InventoryCard[] } | { readonly problem: string };

/** node-nvidia-smi has no types. Its errors are sometimes strings. */
type RunNvidiaSmi = (callback: (error: unknown, tree: unknown) => void) => void;

const runNvidiaSmi = createRequire(import.meta.url)('node-nvidia-smi') as RunNvidiaSmi;

// weir holds the other end of stdin and never writes. If stdin ends, weir has died, so the process group kills itself.
process.stdin.resume().once('end', () => process.kill(-process.pid, 'SIGKILL'));

let hasPrinted = false;
runNvidiaSmi((error, tree) => {
  // The parser calls back a second time if the first callback throws.
  if (hasPrinted) return;
  hasPrinted = true;
  const cards = error ? undefined : parseInventory(tree);
  const problem = error
    ? describe(error).slice(0, 300)
    : 'the output of nvidia-smi -q -x is not a list of GPUs';
  process.stdin.removeAllListeners('end').destroy();
  process.stdout.write(`${JSON.stringify(cards ? { cards } : { problem })}\n`);
});
