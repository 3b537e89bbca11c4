// A program of its own, started by nvidia-inventory.ts: asks nvidia-smi once, prints the inventory as JSON and ends.
// Must stay true: it prints exactly one line, `{"cards"}` or `{"problem"}`.
// Only this file loads node-nvidia-smi, which never calls back when the driver hangs and gives no handle to end it: here
// it can be killed together with the nvidia-smi that it started, and its parsing takes no time from the data plane.
import { createRequire } from 'node:module';
import { describe } from '../../core/errors.ts';
import { cardsIn, type InventoryCard } from './nvidia-cards.ts';

/** What is printed. */
export type InventoryOutput = { readonly cards: readonly InventoryCard[] } | { readonly problem: string };

/** It has no types; errors are sometimes text. */
type Smi = (callback: (error: unknown, tree: unknown) => void) => void;

const ask = createRequire(import.meta.url)('node-nvidia-smi') as Smi;

// weir holds the other end and never writes: its end means that weir has died, and nobody else would end what hangs.
process.stdin.resume().once('end', () => process.kill(-process.pid, 'SIGKILL'));

let hasAnswered = false;
ask((error, tree) => {
  // Its parser calls back once more when the first call has thrown.
  if (hasAnswered) return;
  hasAnswered = true;
  const cards = error ? undefined : cardsIn(tree);
  const problem = error ? describe(error).slice(0, 300) : 'nvidia-smi -q -x printed no inventory';
  process.stdin.removeAllListeners('end').destroy();
  process.stdout.write(`${JSON.stringify(cards ? { cards } : { problem })}\n`);
});
