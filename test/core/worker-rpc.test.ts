// Calls to a worker thread.
import { describe, expect, it } from 'vitest';
import { answer, threadFile, WorkerCalls, type Call, type CallResult } from '../../src/core/worker-rpc.ts';

/** Stands in for a thread: keeps its messages. */
class Thread {
  readonly messages: Call[][] = [];

  postMessage(message: unknown): void {
    this.messages.push(structuredClone(message) as Call[]);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function calls() {
  const thread = new Thread();
  return { thread, calls: new WorkerCalls(thread) };
}

describe('WorkerCalls', () => {
  it('sends the calls of one turn in one message', async () => {
    const { thread, calls: rpc } = calls();
    const first = rpc.call('add', 1, 2);
    const second = rpc.call('status');
    await turn();
    void rpc.call('later').catch(() => undefined);
    await turn();
    expect(thread.messages.map((batch) => batch.map(({ operation, args }) => [operation, ...args]))).toEqual([
      [['add', 1, 2], ['status']],
      [['later']],
    ]);
    const [add, status] = thread.messages[0]!;
    rpc.settle({ n: status!.n, value: 'ok' });
    rpc.settle({ n: add!.n, value: 3 });
    expect(await first).toBe(3);
    expect(await second).toBe('ok');
  });

  it('rejects with the failure that the thread sends', async () => {
    const thread = new Thread();
    const rpc = new WorkerCalls(thread, ({ message, code }) => new Error(`${code}: ${message}`));
    const call = rpc.call('add');
    await turn();
    rpc.settle({ n: thread.messages[0]![0]!.n, failure: { message: 'no space', code: 'full' } });
    await expect(call).rejects.toThrow('full: no space');
  });

  it('rejects all calls if the thread ends, sent or not, and all later ones', async () => {
    const { thread, calls: rpc } = calls();
    const sent = rpc.call('a');
    await turn();
    const unsent = rpc.call('b');
    rpc.end('the thread ended');
    rpc.end('ignored');
    await expect(sent).rejects.toThrow('the thread ended');
    await expect(unsent).rejects.toThrow('the thread ended');
    await expect(rpc.call('c')).rejects.toThrow('the thread ended');
    await turn();
    expect(thread.messages).toHaveLength(1);
  });

  it('rejects a call whose arguments cannot be copied', async () => {
    const { calls: rpc } = calls();
    await expect(rpc.call('a', () => undefined)).rejects.toThrow(/could not be cloned/);
  });

  it('sends the other calls of a turn if the arguments of one cannot be copied', async () => {
    const { thread, calls: rpc } = calls();
    const before = rpc.call('before');
    const bad = rpc.call('bad', () => undefined);
    const behind = rpc.call('behind');
    await expect(bad).rejects.toThrow(/could not be cloned/);
    expect(thread.messages.flat().map(({ operation }) => operation)).toEqual(['before', 'behind']);
    for (const { n, operation } of thread.messages.flat()) rpc.settle({ n, value: operation });
    expect([await before, await behind]).toEqual(['before', 'behind']);
  });

  it('ignores a result that comes twice or belongs to no call', async () => {
    const { thread, calls: rpc } = calls();
    const call = rpc.call('a');
    await turn();
    const { n } = thread.messages[0]![0]!;
    rpc.settle({ n, value: 1 });
    rpc.settle({ n, value: 2 });
    rpc.settle({ n: 99, value: 3 });
    expect(await call).toBe(1);
  });

  it('sends at once what is not sent, and waits until all has settled', async () => {
    const { thread, calls: rpc } = calls();
    const call = rpc.call('a');
    let isSettled = false;
    const settled = rpc.settled().then(() => (isSettled = true));
    expect(thread.messages).toHaveLength(1);
    await turn();
    expect(isSettled).toBe(false);
    rpc.settle({ n: thread.messages[0]![0]!.n, failure: { message: 'broken', code: '' } });
    await expect(call).rejects.toThrow('broken');
    await settled;
  });
});

/** Calls an operation that returns its argument, or throws without one. Returns the results that were sent. */
function answered(value?: unknown): CallResult[] {
  const sent: CallResult[] = [];
  const run = (_: string, [given]: readonly unknown[]): unknown => {
    if (given === undefined) throw new Error('no value');
    return given;
  };
  const args = value === undefined ? [] : [value];
  answer({ n: 1, operation: 'a', args }, run, (result) => sent.push(result));
  return sent;
}

it('answers a call with its value or its error', () => {
  expect(answered(7)).toEqual([{ n: 1, value: 7 }]);
  expect(answered()).toEqual([{ n: 1, failure: { message: 'no value', code: '' } }]);
});

it('answers a call that takes long when its promise settles', async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const sent = answered(promise);
  await turn();
  expect(sent).toEqual([]);
  resolve(8);
  await turn();
  expect(sent).toEqual([{ n: 1, value: 8 }]);
  const failed = answered(Promise.reject(new Error('broken')));
  await turn();
  expect(failed).toEqual([{ n: 1, failure: { message: 'broken', code: '' } }]);
});

it('finds the file of a thread in the sources and in the build', () => {
  expect(threadFile('x-thread', 'file:///a/b.ts').href).toBe('file:///a/x-thread.ts');
  expect(threadFile('x-thread', 'file:///a/b.js').href).toBe('file:///a/x-thread.js');
});
