// Runs a custom scorer until it is killed: `<code>`. Prints the id of its process, and then calls it with "loop".
import { CustomScorer } from '../../src/telemetry/scoring/custom/custom-scorer.ts';
import { ProcessSlots } from '../../src/telemetry/scoring/custom/process-slots.ts';

const settings = { kind: 'code', name: 'mine', slug: 'mine', description: '' } as const;
const limits = { timeout_ms: 3000, memory_mb: 64 };
const scorer = new CustomScorer({ ...settings, ...limits, code: process.argv[2]! }, new ProcessSlots(1));
const { signal } = new AbortController();
await scorer.score({ output: 'first' }, signal);
process.stdout.write(`${scorer.pid}\n`);
await scorer.score({ output: 'loop' }, signal);
setInterval(() => undefined, 1000);
