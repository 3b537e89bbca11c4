// Scorers as rules open them: of weir, of code, and judges.
import { describe, expect, it } from 'vitest';
import { parseScorer, parseStoredScorer } from '../../../src/telemetry/scoring/scorer-definition.ts';
import { ScorerSet } from '../../../src/telemetry/scoring/scorer-set.ts';

const set = new ScorerSet({ maxProcesses: 1, forbiddenPorts: [], priceOf: () => undefined });
const { signal } = new AbortController();

function stored(fields: object) {
  const parsed = parseStoredScorer({ name: 'mine', ...fields });
  if ('problems' in parsed) throw new Error(parsed.problems.join('; '));
  return parsed;
}
const code = (text: string) => stored({ kind: 'code', code: text, timeout_ms: 10_000 });
const judge = (url: string) =>
  stored({ kind: 'judge', url, model: 'm', prompt: '{{output}}', choices: { yes: 1, no: 0 } });

describe('a set of scorers', () => {
  it('opens what the parsers return', async () => {
    const definition = parseScorer({ type: 'global', name: 'MaxLength', options: { max: 3 } }, 'scorers[0]');
    if ('problems' in definition || definition.type !== 'global') throw new Error('not read');
    const scorers = [set.open(definition), set.openStored(code('({ output }) => output.length / 4'))];
    const results: unknown[] = [];
    for (const scorer of scorers) results.push(await scorer.score({ output: 'abc' }, signal));
    expect(results).toEqual([
      { kind: 'scored', scores: [{ name: 'MaxLength', score: 1 }] },
      { kind: 'scored', scores: [{ name: 'mine', score: 0.75 }] },
    ]);
    await Promise.all(scorers.map((scorer) => scorer.close()));
  });

  it('opens judges', async () => {
    // Nothing listens on port 1.
    const scorer = set.openStored(judge('http://127.0.0.1:1'));
    expect(await scorer.score({ output: 'abc' }, signal)).toMatchObject({
      kind: 'failed',
      isTemporary: true,
    });
    await scorer.close();
  });

  it('says before a scorer is stored whether its code can be loaded', async () => {
    expect(await set.problem(code('() => 1'), signal)).toBe('');
    expect(await set.problem(code('() => {'), signal)).toMatch(/^it cannot be used: /);
    expect(await set.problem(judge('http://127.0.0.1:1'), signal)).toBe('');
  });
});
