// A child process of code-runner.ts: loads the code of one custom scorer into a JavaScript context, and calls its handler.
// Invariant: each line of stdin has one line of stdout as its answer, within the time limit, whatever the code does; the
// process ends when stdin does.
// It imports nothing of weir, since it may read no file but itself. The context has the language and `console`, and
// nothing of Node: no modules, no network, no timers. So a call is over when its code and its promises have run.
import vm from 'node:vm';
import type { RunnerAnswer, RunnerRequest } from './runner-messages.ts';

/** What weir calls in the context. */
interface ContextParts {
  /** Calls the handler with a span in JSON. */
  call(handler: unknown, span: string): void;
  /** Notes that the module itself threw. */
  failed(error: unknown): void;
  /** JSON of a RunnerOutcome: what came of the last call. */
  answer(): string;
}

/**
 * Prepares the context. Runs inside it, as source text. Takes what it needs of the language first, since the code of the
 * scorer may change it.
 */
function prepareContext(maxAnswer: number, maxLines: number, maxLine: number): void {
  const { parse, stringify } = JSON;
  const { defineProperty } = Object;
  const text = String;
  let lines: string[] = [];
  let outcome = { outcome: 'waiting', text: '' };

  const shown = (value: unknown): string =>
    typeof value === 'string' ? value : (stringify(value) ?? text(value));
  const write = (...values: unknown[]): void => {
    if (lines.length < maxLines) lines[lines.length] = values.map(shown).join(' ').slice(0, maxLine);
  };
  const problemOf = (error: unknown): string => {
    try {
      const { name, message, stack } = (error ?? {}) as Record<string, unknown>;
      const place = /scorer\.js:\d+/.exec(text(stack))?.[0];
      const what = message === undefined ? `it threw ${shown(error)}` : `${text(name)}: ${text(message)}`;
      return `${what.slice(0, maxLine)}${place === undefined ? '' : ` (${place})`}`;
    } catch {
      return 'it threw something that has no text';
    }
  };
  const failed = (error: unknown): void => {
    outcome = { outcome: 'failed', text: problemOf(error) };
  };
  const answerOf = (value: unknown): typeof outcome => {
    // JSON has no NaN, and would make it null.
    const json = stringify(value, (_, inner: unknown) =>
      typeof inner === 'number' && inner - inner !== 0 ? text(inner) : inner,
    );
    const length = json?.length ?? 0;
    if (length <= maxAnswer) return { outcome: 'answered', text: json ?? '' };
    return {
      outcome: 'failed',
      text: `its answer has ${length} characters; the maximum is ${maxAnswer}`,
    };
  };
  const call = (handler: (input: unknown) => unknown, span: string): void => {
    lines = [];
    // An earlier call may answer late, to this object of its own.
    const own = { outcome: 'waiting', text: '' };
    outcome = own;
    const run = async (): Promise<void> => {
      try {
        const made = answerOf(await handler(parse(span)));
        own.text = made.text;
        own.outcome = made.outcome;
      } catch (error) {
        own.text = problemOf(error);
        own.outcome = 'failed';
      }
    };
    void run();
  };
  const answer = (): string => stringify({ ...outcome, lines });

  const console = { log: write, info: write, warn: write, error: write, debug: write, trace: write };
  defineProperty(globalThis, 'console', { value: console, writable: true });
  defineProperty(globalThis, 'weirScorer', { value: { call, failed, answer } });
  // The code cannot put a function in the place of these, which would run when weir sets them.
  for (const name of ['weirHandler', 'weirSpan', 'weirError'])
    defineProperty(globalThis, name, { value: undefined, writable: true });
  // They work outside of the call: in other threads, in memory that is not limited, or after the answer.
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef'])
    delete (globalThis as Record<string, unknown>)[name];
}

const MAX_ANSWER = 64 * 1024;
const MAX_LINES = 20;
const MAX_LINE = 200;
/** A time limit of V8 may end this much early. */
const TIMER_SLACK_MS = 5;
const NO_HANDLER = 'it has no handler; export a function by default, or as `handler`';

const { call, failed, answer } = Object.fromEntries(
  Object.entries({
    call: 'weirScorer.call(weirHandler, weirSpan)',
    failed: 'weirScorer.failed(weirError)',
    answer: 'weirScorer.answer()',
  }).map(([name, text]) => [name, new vm.Script(text)]),
) as Record<keyof ContextParts, vm.Script>;

const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, {
  codeGeneration: { strings: false, wasm: false },
  // Promises run within the time limit of the script that made them.
  microtaskMode: 'afterEvaluate',
});
vm.runInContext(`(${String(prepareContext)})(${MAX_ANSWER}, ${MAX_LINES}, ${MAX_LINE})`, context);

let timeoutMs = 1000;
let endMs = 0;
const within = (): { timeout: number } => ({ timeout: Math.max(1, Math.ceil(endMs - performance.now())) });

/** Throws an error of this process, not of the context. */
function compiled(text: string): vm.SourceTextModule {
  try {
    return new vm.SourceTextModule(text, { context, identifier: 'scorer.js' });
  } catch (error) {
    throw new Error(`SyntaxError: ${(error as Error).message}`, { cause: error });
  }
}

function linked(text: string): vm.SourceTextModule {
  const module = compiled(text);
  const [first] = module.moduleRequests;
  if (first !== undefined) throw new Error(`it imports ${first.specifier}; a scorer cannot import anything`);
  module.linkRequests([]);
  module.instantiate();
  return module;
}

/** The text as a module. A text without exports is to be a function expression: `({ output }) => …`. */
function moduleOf(code: string): vm.SourceTextModule {
  // `function ({ output }) { … }` is not a module.
  if (!/^\s*(async\s+)?function\s*\(/.test(code)) {
    const module = linked(code);
    if (Reflect.ownKeys(module.namespace).some((name) => typeof name === 'string')) return module;
  }
  try {
    return linked(`export default (${code.replace(/[;\s]+$/, '')}\n);`);
  } catch (error) {
    throw new Error(`${NO_HANDLER} (as an expression: ${(error as Error).message})`, { cause: error });
  }
}

function handlerOf({ namespace }: vm.SourceTextModule): unknown {
  try {
    const { default: byDefault, handler } = namespace as Record<string, unknown>;
    return byDefault ?? handler;
  } catch (error) {
    throw new Error('it waits at its top level for a promise that never settles', { cause: error });
  }
}

function load(code: string): void {
  const module = moduleOf(code);
  // How it ended is in `status`.
  module.evaluate(within()).catch(() => undefined);
  if (module.status === 'errored') {
    if (hasEnded()) return;
    context['weirError'] = module.error;
    failed.runInContext(context, within());
    return;
  }
  const handler = handlerOf(module);
  if (typeof handler !== 'function') throw new Error(NO_HANDLER);
  context['weirHandler'] = handler;
}

const hasEnded = (): boolean => performance.now() >= endMs - TIMER_SLACK_MS;

function answerTo(request: RunnerRequest): RunnerAnswer {
  if ('code' in request) ({ timeoutMs } = request);
  endMs = performance.now() + timeoutMs;
  const before = process.cpuUsage();
  const late = (): RunnerAnswer => {
    const { user, system } = process.cpuUsage(before);
    return { timeoutCpuMs: (user + system) / 1000 };
  };
  try {
    if ('code' in request) load(request.code);
    else {
      context['weirSpan'] = request.span;
      call.runInContext(context, within());
    }
    const text = String(answer.runInContext(context, within()));
    return hasEnded() ? late() : { text };
  } catch (error) {
    if (hasEnded()) return late();
    // What the code throws is not looked at here, since to read it may run code.
    return { problem: error instanceof Error ? error.message : 'it threw an error that cannot be read' };
  }
}

// A promise of the scorer that is not awaited.
process.on('unhandledRejection', () => undefined);
let held = '';
process.stdin.setEncoding('utf8').on('data', (chunk: string) => {
  held += chunk;
  for (let end = held.indexOf('\n'); end !== -1; end = held.indexOf('\n')) {
    const request = JSON.parse(held.slice(0, end)) as RunnerRequest;
    held = held.slice(end + 1);
    process.stdout.write(`${JSON.stringify(answerTo(request))}\n`);
  }
});
process.stdin.once('end', () => process.exit());
