// Custom scorers in their processes: what they may return, and what happens to those that misbehave.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { ScorerInput, ScorerResult } from '../../../../src/telemetry/scoring/scorer.ts';
import { RUNNER_FLAGS } from '../../../../src/telemetry/scoring/custom/code-runner.ts';
import { CustomScorer } from '../../../../src/telemetry/scoring/custom/custom-scorer.ts';
import { ProcessSlots } from '../../../../src/telemetry/scoring/custom/process-slots.ts';
import { isAlive } from '../../../kit/fake-nvidia-smi.ts';
import { until } from '../../../kit/until.ts';

const PROGRAM = fileURLToPath(new URL('../../../kit/custom-scorer-program.ts', import.meta.url));

const open: CustomScorer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((scorer) => scorer.close()));
});

function scorer(
  code: string,
  more: { timeout_ms?: number; memory_mb?: number } = {},
  slots = new ProcessSlots(4),
) {
  const settings = {
    kind: 'code',
    name: 'mine',
    slug: 'mine',
    description: '',
    timeout_ms: 5000,
    memory_mb: 64,
  } as const;
  const made = new CustomScorer({ ...settings, code, ...more }, slots);
  open.push(made);
  return made;
}
/** Hundredths of a second that a process has run. */
const ticksOf = (pid: number): number =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .split(') ')[1]!
    .split(' ')
    .slice(11, 13)
    .map(Number)
    .reduce((a, b) => a + b);
const never = new AbortController().signal;
const score = (one: CustomScorer, input: ScorerInput = { output: 'abc' }): Promise<ScorerResult> =>
  Promise.resolve(one.score(input, never));
const reasonOf = async (one: CustomScorer): Promise<string> => {
  const result = await score(one);
  if (result.kind !== 'failed') throw new Error(`scored: ${JSON.stringify(result.scores)}`);
  expect(result.isTemporary).toBe(false);
  return result.reason;
};
const scored = (...scores: object[]) => ({ kind: 'scored', scores });

describe('a custom scorer', () => {
  it.each([
    ['a module with a default export', 'export default ({ output }) => output.length / 10'],
    ['a module with a handler', 'const n = 10;\nexport const handler = ({ output }) => output.length / n;'],
    ['an arrow function', '({ output }) => output.length / 10;\n'],
    ['a function expression', 'function ({ output }) { return output.length / 10 } // done'],
    ['a function declaration', 'function handler({ output }) { return output.length / 10 }'],
    ['an async function', 'async ({ output }) => (await Promise.resolve(output)).length / 10'],
  ])('may be %s', async (_, code) => {
    expect(await score(scorer(code))).toEqual(scored({ name: 'mine', score: 0.3 }));
  });

  it('gets input, output, expected and metadata', async () => {
    const one = scorer('(span) => ({ score: 1, metadata: { span } })');
    const input = { input: [1], output: { a: 'x' }, expected: null, metadata: { user: 'u' } };
    expect(await score(one, input)).toEqual(scored({ name: 'mine', score: 1, metadata: { span: input } }));
  });

  it.each([
    [
      'returns something other than a score',
      '() => NaN',
      /^it returned the score "NaN"; return a number from 0 to 1, null/,
    ],
    [
      'returns too much',
      '() => "x".repeat(70000)',
      /^its? .*answer has 70002 characters; the maximum is 65536$/,
    ],
    ['throws', '() => { throw new Error("no luck") }', /^it failed: Error: no luck \(scorer\.js:1\)$/],
    ['throws nothing', '() => { throw null }', /^it failed: it threw null$/],
    ['never answers', '() => new Promise(() => undefined)', /^it returned a promise that never settles$/],
    ['writes and throws', '() => { console.log("half", { a: 1 }); throw 5 }', /; console: half \{"a":1\}$/],
  ])('that %s fails with a sentence', async (_, code, reason) => {
    expect(await reasonOf(scorer(code))).toMatch(reason);
  });

  it.each([
    ['let a = 1', /^it cannot be used: it has no handler; export a function by default/],
    ['export default (', /^it cannot be used: SyntaxError: Unexpected end of input$/],
    [
      'import fs from "node:fs"; export default () => 1',
      /it imports node:fs; a scorer cannot import anything/,
    ],
    [
      'await new Promise(() => 0); export default () => 1',
      /waits at its top level for a promise that never settles/,
    ],
    ['throw new TypeError("x"); export default () => 1', /^it failed: TypeError: x/],
    ['export default 5', /it has no handler/],
    ['export default () => { throw new Error("not called") }', /^$/],
  ])('can be checked without a call: %s', async (code, reason) => {
    expect(await scorer(code).problem(never)).toMatch(reason);
  });

  it('has what it wrote to the console in the metadata of its score, at most 20 lines', async () => {
    const one = scorer('() => { for (let i = 0; i < 1e5; i++) console.log(i, "x".repeat(1000)); return 1 }');
    const result = await score(one);
    if (result.kind === 'failed') throw new Error(result.reason);
    const lines = result.scores[0]!.metadata!['console'] as string[];
    expect(lines).toHaveLength(20);
    expect(lines.every(({ length }) => length <= 200)).toBe(true);
  });

  it('gets no span of more than a mebibyte, and none that is nested too deeply', async () => {
    const one = scorer('() => 1');
    const large = await score(one, { output: 'x'.repeat(1024 * 1024) });
    expect(large).toMatchObject(
      scored({ score: null, metadata: { reason: expect.stringContaining('custom scorers get at most') } }),
    );
    const deep: unknown = JSON.parse(`${'['.repeat(1e5)}${']'.repeat(1e5)}`);
    expect(await score(one, { output: deep })).toMatchObject(
      scored({ score: null, metadata: { reason: 'the span is nested too deeply' } }),
    );
  });
});

describe('the process of a custom scorer', () => {
  it('may read no file, start no process and no thread, and has no environment; it may open connections', async () => {
    const tries = {
      file: 'require("node:fs").readFileSync("/etc/hostname")',
      write: 'require("node:fs").writeFileSync("/tmp/weir-scorer-test", "")',
      process:
        'require("node:child_process").spawnSync("true").error && (() => { throw new Error("none") })()',
      thread: 'new (require("node:worker_threads").Worker)("1", { eval: true })',
      inspector: 'require("node:inspector").open(0)',
      environment: 'if (Object.keys(process.env).length === 0) throw new Error("none")',
      strings: 'eval("1")',
      connection: 'require("node:net").connect(9, "127.0.0.1").on("error", () => undefined)',
    };
    const program = `const worked = [];
      ${Object.entries(tries)
        .map(([name, code]) => `try { ${code}; worked.push("${name}"); } catch { "refused"; }`)
        .join('\n')}
      console.log(worked.join());`;
    const { stdout } = await promisify(execFile)(process.execPath, [...RUNNER_FLAGS, '-e', program], {
      env: {},
      cwd: '/',
    });
    expect(stdout.trim()).toBe('connection');
  });

  it.each([
    ['waits', '() => 1'],
    ['loops', '({ output }) => { while (output === "loop"); return 1; }'],
  ])('ends when weir is killed while the code %s', async (_, code) => {
    const weir = spawn(process.execPath, [PROGRAM, code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(weir.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    weir.kill('SIGKILL');
    await until('its process is gone', () => !isAlive(pid));
  });

  it('has no file, environment, process, network or timer in reach of the code', async () => {
    const names = [
      'process',
      'require',
      'fetch',
      'WebSocket',
      'setTimeout',
      'setInterval',
      'Buffer',
      'WebAssembly',
      'SharedArrayBuffer',
    ];
    const one = scorer(
      `() => ({ score: 1, metadata: { found: ${JSON.stringify(names)}.filter((name) => name in globalThis) } })`,
    );
    expect(await score(one)).toEqual(scored({ name: 'mine', score: 1, metadata: { found: [] } }));
    expect(
      await reasonOf(scorer('async () => (await import("node:fs")).readFileSync("/etc/passwd")')),
    ).toMatch(/failed/);
    expect(await reasonOf(scorer('() => globalThis.constructor.constructor("return process")()'))).toMatch(
      /Code generation from strings disallowed/,
    );
  });

  it.each([
    ['loops', '() => { while (true); }'],
    ['loops in promises', 'async () => { while (true) await 0; }'],
    ['loops while its error is read', '() => { throw { get message() { while (true); } } }'],
    ['searches with an expression that takes for ever', '() => /(a+)+b/.test("a".repeat(40))'],
    ['loops while it is loaded', 'while (true); export default () => 1'],
  ])('is replaced if the code %s', async (_, code) => {
    const result = await score(scorer(code, { timeout_ms: 200 }));
    expect(result).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/^it took longer than 200 ms/),
    });
  });

  it.each([
    ['fills the heap', '() => { const all = []; while (true) all.push({ all: [1, 2, 3] }); }'],
    [
      'fills memory outside of the heap',
      '() => { const all = []; while (true) all.push(new Uint8Array(1e6).fill(1)); }',
    ],
  ])('is replaced if the code %s', async (_, code) => {
    expect(await reasonOf(scorer(code, { timeout_ms: 30_000, memory_mb: 32 }))).toBe(
      'it used more than 32 MiB of memory',
    );
  });

  it('is replaced if the code changes the language', async () => {
    const one = scorer(
      '({ output }) => { if (output === "bad") Object.prototype.toJSON = () => 5; return 1; }',
    );
    expect(await score(one)).toEqual(scored({ name: 'mine', score: 1 }));
    const before = one.pid!;
    expect(await score(one, { output: 'bad' })).toMatchObject({
      kind: 'failed',
      reason: 'it changed the language so that its answer cannot be read',
    });
    expect(await score(one)).toEqual(scored({ name: 'mine', score: 1 }));
    expect(one.pid).not.toBe(before);
    await until('the first process is gone', () => !isAlive(before));
  });

  it('is replaced after three failures in a row', async () => {
    const one = scorer(
      'let isBroken = false; export default ({ output }) => { isBroken ||= output === "break"; if (isBroken) throw new Error("x"); return 1; }',
    );
    await score(one, { output: 'break' });
    const before = one.pid;
    expect(await reasonOf(one)).toMatch(/^it failed: Error: x/);
    expect(await reasonOf(one)).toMatch(/^it failed: Error: x/);
    expect(await score(one)).toEqual(scored({ name: 'mine', score: 1 }));
    expect(one.pid).not.toBe(before);
  });

  it('does not take the late answer of an earlier call', async () => {
    const one = scorer(
      'let late; export default ({ output }) => { late?.(0.9); return new Promise((resolve) => { if (output === "wait") late = resolve; else resolve(0.1); }); }',
    );
    expect(await score(one, { output: 'wait' })).toMatchObject({ kind: 'failed' });
    expect(await score(one)).toEqual(scored({ name: 'mine', score: 0.1 }));
  });

  it('is replaced if another process ends it', async () => {
    const one = scorer('() => 1');
    await score(one);
    const pid = one.pid!;
    process.kill(pid, 'SIGKILL');
    await until('the scorer knows', () => one.pid === undefined);
    expect(await score(one)).toEqual(scored({ name: 'mine', score: 1 }));
    expect(one.pid).not.toBe(pid);
  });

  it('may be tried again if something else ends it during a call, or it cannot be started', async () => {
    const one = scorer('({ output }) => { while (output === "loop"); return 1; }', { timeout_ms: 30_000 });
    await score(one);
    const result = score(one, { output: 'loop' });
    process.kill(one.pid!, 'SIGKILL');
    expect(await result).toEqual({
      kind: 'failed',
      reason: 'it lost its process (SIGKILL)',
      isTemporary: true,
    });
    const { execPath } = process;
    try {
      process.execPath = '/nowhere/node';
      expect(await score(scorer('() => 1'))).toEqual({
        kind: 'failed',
        reason: 'it could not be started: spawn /nowhere/node ENOENT',
        isTemporary: true,
      });
    } finally {
      process.execPath = execPath;
    }
  });

  it('has to wait after it was lost three times in a row', async () => {
    const one = scorer('() => { while (true); }', { timeout_ms: 50 });
    for (let i = 0; i < 3; i++) expect(await score(one)).toMatchObject({ kind: 'failed' });
    const result = await score(one);
    if (result.kind !== 'failed') throw new Error('scored');
    expect(result).toMatchObject({
      isTemporary: true,
      reason: 'it failed 3 times in a row; it waits before the next call',
    });
    expect(result.retryAfterMs).toBeGreaterThan(0);
    expect(result.retryAfterMs).toBeLessThanOrEqual(1000);
  });

  it('may be tried again if the code had no processor to run on', async () => {
    const one = scorer('({ output }) => { while (output === "loop"); return 1; }', { timeout_ms: 1000 });
    await score(one);
    const pid = one.pid!;
    const before = ticksOf(pid);
    const result = score(one, { output: 'loop' });
    await until('the code runs', () => ticksOf(pid) >= before + 3);
    process.kill(pid, 'SIGSTOP');
    await setTimeout(1100);
    process.kill(pid, 'SIGCONT');
    expect(await result).toMatchObject({
      kind: 'failed',
      isTemporary: true,
      reason: expect.stringMatching(/^it took longer than 1000 ms, of which it ran \d+ ms$/),
    });
  });

  it('ends when a call is stopped', async () => {
    const one = scorer('({ output }) => { while (output === "loop"); return 1; }', { timeout_ms: 60_000 });
    await score(one);
    const pid = one.pid!;
    const result = one.score({ output: 'loop' }, AbortSignal.timeout(200));
    expect(await result).toEqual({ kind: 'failed', reason: 'it was stopped', isTemporary: true });
    await until('the process is gone', () => !isAlive(pid));
  });

  it('ends when the scorer is closed', async () => {
    const one = scorer('() => 1');
    await score(one);
    const pid = one.pid!;
    expect(isAlive(pid)).toBe(true);
    await one.close();
    expect(isAlive(pid)).toBe(false);
    expect(await score(one)).toMatchObject({ kind: 'failed', isTemporary: true });
  });

  it('gives its place to another scorer while it is idle', async () => {
    const slots = new ProcessSlots(1);
    const [a, b] = [scorer('() => 0.1', {}, slots), scorer('() => 0.2', {}, slots)];
    const results = await Promise.all([score(a), score(b), score(a), score(b)]);
    expect(
      results.map((result) => (result.kind === 'scored' ? result.scores[0]!.score : result.reason)),
    ).toEqual([0.1, 0.2, 0.1, 0.2]);
    expect([a.pid, b.pid].filter((pid) => pid !== undefined)).toHaveLength(1);
  });
});
