// A pool and the pools of other threads in one process: messages are delivered, and atomic operations of one thread are
// interrupted by whole operations of the others, as a seed says. Checks the rules of places and waiting.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import {
  Lease,
  Pool,
  WaitEntry,
  WorkerPool,
  type PoolPort,
  type ReplicaPool,
} from '../../src/data-plane/replicas/pool.ts';
import type { ToMain } from '../../src/data-plane/replicas/messages-to-main.ts';
import type { ToThread } from '../../src/data-plane/replicas/messages-to-thread.ts';
import { configOf, deploymentOptions } from './deployment.ts';

type Message = ToMain | ToThread;

/** One end of a connection between two threads. */
class SimulatedPort implements PoolPort {
  peer: SimulatedPort | undefined;
  readonly #received: Message[] = [];
  #listener: (message: Message) => void = () => undefined;
  #isClosed = false;
  /** Called with each message that is sent. */
  sent: (message: Message) => void = () => undefined;

  postMessage(message: Message): void {
    this.peer!.#received.push(structuredClone(message));
    this.sent(message);
  }

  on(_: 'message', listener: (message: never) => void): void {
    this.#listener = listener as (message: Message) => void;
  }

  unref(): void {}

  close(): void {
    this.#isClosed = true;
  }

  get next(): Message | undefined {
    return this.#isClosed ? undefined : this.#received[0];
  }

  deliver(): void {
    const message = this.#received.shift();
    if (message !== undefined && !this.#isClosed) this.#listener(message);
  }
}

interface SimulatedRequest {
  readonly thread: number;
  readonly isRetry: boolean;
  state: 'new' | 'waits' | 'runs' | 'over';
  entry?: WaitEntry;
  lease?: Lease;
}

interface SimulatedThread {
  readonly number: number;
  readonly pool: ReplicaPool;
  /** The main thread's end, and the thread's own end; undefined for the main thread. */
  readonly ports?: { readonly main: SimulatedPort; readonly own: SimulatedPort };
  isAlive: boolean;
}

export interface SimulationSettings {
  readonly threads: number;
  readonly replicas: number;
  readonly cap: number;
  readonly maxQueue: number;
  readonly hasRetries: boolean;
}

const ATOMICS = ['load', 'add', 'sub', 'compareExchange', 'exchange', 'store', 'or', 'and'] as const;

export class PoolSimulation {
  readonly pool: Pool;
  readonly #settings: SimulationSettings;
  readonly #exchanges = new Exchanges({ trust_inbound: false });
  readonly #threads: SimulatedThread[] = [];
  readonly #requests: SimulatedRequest[] = [];
  /** Requests in the order in which the main thread must grant them. */
  #line: (SimulatedRequest | undefined)[] = [];
  /** By thread and ticket. */
  readonly #tickets = new Map<string, SimulatedRequest>();
  /** Threads in the middle of an operation. */
  readonly #busy = new Set<number>();
  #isChecking = false;
  #steps = 0;
  #random = 0;

  constructor(settings: SimulationSettings) {
    this.#settings = settings;
    const names = Array.from({ length: settings.replicas }, (_, i) => `r${i}`);
    const { cap, maxQueue } = settings;
    const options = deploymentOptions(names, { concurrency_target: cap, max_queue: maxQueue });
    const events = { changed: () => undefined, dead: () => undefined };
    this.pool = new Pool([options], configOf().pool, events, undefined, settings.threads);
    for (const replica of this.#replicas) replica.setState('ready');
    this.#threads.push({ number: 0, pool: this.pool, isAlive: true });
    for (let thread = 1; thread < settings.threads; thread++) this.#threads.push(this.#connect(thread));
  }

  /**
   * Runs so many operations, chosen by `seed`, then ends what is left, and checks that every request is over. The same
   * seed gives the same run.
   */
  run(operations: number, seed: number): void {
    this.#random = seed;
    const restore = this.#interruptAtomics();
    try {
      for (let i = 0; i < operations; i++) {
        this.#step(this.#choose(this.#threads.length));
        if (this.#choose(4) === 0) this.#settle();
      }
    } finally {
      restore();
    }
    this.#finish();
    this.pool.stop();
  }

  get #replicas() {
    return this.pool.deployments[0]!.replicas;
  }

  #connect(number: number): SimulatedThread {
    const main = new SimulatedPort();
    const own = new SimulatedPort();
    [main.peer, own.peer] = [own, main];
    main.sent = (message) => this.#answered(number, message as ToThread);
    const start = structuredClone(this.pool.attachThread(number, main));
    return { number, pool: new WorkerPool(start, own), ports: { main, own }, isAlive: true };
  }

  /** A number of a linear congruential generator. Its low bits are poor, so the high ones are taken. */
  #choose(below: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * below);
  }

  /** Before an atomic operation, sometimes a whole operation of another thread runs. */
  #interruptAtomics(): () => void {
    const originals = ATOMICS.map((name) => Atomics[name]);
    for (const name of ATOMICS) {
      const original = Atomics[name] as (...args: unknown[]) => unknown;
      Atomics[name] = ((...args: unknown[]) => {
        const mayInterrupt = this.#busy.size > 0 && this.#busy.size < 3 && !this.#isChecking;
        if (mayInterrupt && this.#choose(8) === 0) this.#step(this.#choose(this.#threads.length));
        return original(...args);
      }) as never;
    }
    return () => ATOMICS.forEach((name, i) => (Atomics[name] = originals[i] as never));
  }

  /** One operation of a thread that is not in the middle of one. */
  #step(number: number): void {
    const thread = this.#threads[number]!;
    if (this.#busy.has(number)) return;
    this.#steps++;
    const choice = this.#choose(16);
    this.#busy.add(number);
    if (!thread.isAlive) {
      if (!this.#busy.has(0) && choice < 4) this.#replace(number);
    } else if (choice < 5) this.#request(thread, false);
    else if (choice < 6) this.#request(thread, this.#settings.hasRetries);
    else if (choice < 9) this.#release(thread);
    else if (choice < 10) this.#leave(thread);
    else if (choice < 15) this.#deliver(thread);
    else if (number === 0) this.#changeReplica();
    // A thread is ended only between two operations. It may end with messages under way in both directions.
    else if (this.#choose(4) === 0) thread.isAlive = false;
    this.#busy.delete(number);
    this.#isChecking = true;
    this.#expectLimits();
    this.#isChecking = false;
  }

  #request(thread: SimulatedThread, isRetry: boolean): void {
    const exchange = this.#exchanges.open(undefined);
    exchange.deployment = 0;
    exchange.attempts = isRetry ? 1 : 0;
    const request: SimulatedRequest = { thread: thread.number, isRetry, state: 'new' };
    const waiter = {
      granted: (lease: Lease) => {
        if (thread.number === 0) this.#expectFirst(request);
        this.#runs(request, lease);
      },
      refused: () => {
        request.state = 'over';
        this.#line = this.#line.filter((one) => one !== request);
      },
    };
    const { replicas } = thread.pool.deployments[0]!;
    const avoid = isRetry ? replicas[this.#choose(replicas.length)] : undefined;
    this.#requests.push(request);
    const { waiting } = this.pool.deployments[0]!;
    const steps = this.#steps;
    const reserved = thread.pool.reserve(exchange, waiter, avoid);
    if (reserved instanceof Lease) {
      this.#runs(request, reserved);
      // No request left the line meanwhile, so this one has overtaken none.
      if (steps === this.#steps) equal(waiting, 0, 'a new request overtook a waiting one');
    } else if (reserved instanceof WaitEntry) {
      request.state = 'waits';
      request.entry = reserved;
      if (thread.number === 0) this.#joined(request);
      else this.#tickets.set(`${thread.number} ${reserved.ticket}`, request);
    } else {
      ok(reserved === 'queue_full' || (reserved === 'no_replica' && this.#settings.maxQueue === 0), reserved);
      ok(!isRetry, 'a retry was refused');
      request.state = 'over';
    }
  }

  #runs(request: SimulatedRequest, lease: Lease): void {
    ok(request.state === 'new' || request.state === 'waits', `granted, although it is ${request.state}`);
    request.state = 'runs';
    request.lease = lease;
  }

  #joined(request: SimulatedRequest): void {
    if (request.isRetry) this.#line.unshift(request);
    else this.#line.push(request);
  }

  #expectFirst(request: SimulatedRequest | undefined): void {
    equal(this.#line[0], request, 'not the first in the line was granted');
    this.#line.shift();
  }

  /** The main thread sends an answer to a ticket. */
  #answered(thread: number, message: ToThread): void {
    if (message.kind === 'deployment') return;
    const request = this.#tickets.get(`${thread} ${message.ticket}`);
    if (message.kind === 'granted') this.#expectFirst(request);
    else this.#line = this.#line.filter((one) => one !== request);
  }

  #of(thread: SimulatedThread, state: SimulatedRequest['state']): SimulatedRequest[] {
    return this.#requests.filter((request) => request.thread === thread.number && request.state === state);
  }

  #release(thread: SimulatedThread): void {
    const running = this.#of(thread, 'runs');
    if (running.length === 0) return;
    const request = running[this.#choose(running.length)]!;
    request.state = 'over';
    request.lease!.release();
  }

  #leave(thread: SimulatedThread): void {
    const waiting = this.#of(thread, 'waits');
    if (waiting.length === 0) return;
    const request = waiting[this.#choose(waiting.length)]!;
    request.state = 'over';
    // For another thread the main thread hears of it later, and may grant it until then.
    if (thread.number === 0) this.#line = this.#line.filter((one) => one !== request);
    request.entry!.leave();
  }

  /** A thread receives one message; the main thread from one of the others, which may have ended. */
  #deliver(thread: SimulatedThread): void {
    if (thread.number !== 0) return thread.ports!.own.deliver();
    this.#deliverFrom(this.#threads[1 + this.#choose(this.#threads.length - 1)]!);
  }

  /** The main thread receives one message. */
  #deliverFrom(from: SimulatedThread): void {
    const port = from.ports!.main;
    const message = port.next as ToMain | undefined;
    if (message?.kind === 'waits') this.#joined(this.#tickets.get(`${from.number} ${message.ticket}`)!);
    if (message?.kind === 'leaves') {
      const request = this.#tickets.get(`${from.number} ${message.ticket}`);
      this.#line = this.#line.filter((one) => one !== request);
    }
    port.deliver();
  }

  #changeReplica(): void {
    const replica = this.#replicas[this.#choose(this.#replicas.length)]!;
    replica.setState(replica.isReady ? 'down' : 'ready');
  }

  /** The main thread learns that a thread has ended, and starts another one. */
  #replace(number: number): void {
    this.#busy.add(0);
    for (const request of this.#requests) if (request.thread === number) request.state = 'over';
    this.#line = this.#line.filter((request) => request!.thread !== number);
    for (const key of this.#tickets.keys()) if (key.startsWith(`${number} `)) this.#tickets.delete(key);
    this.pool.threadLost(number);
    this.#threads[number] = this.#connect(number);
    this.#busy.delete(0);
  }

  #expectLimits(): void {
    const { cap, maxQueue, hasRetries } = this.#settings;
    for (const { outstanding } of this.#replicas) ok(outstanding <= cap, `${outstanding} in flight`);
    const running = new Map<string, number>();
    for (const { state, lease } of this.#requests) {
      if (state !== 'runs') continue;
      const { id } = lease!.replica;
      running.set(id, (running.get(id) ?? 0) + 1);
    }
    for (const { id, outstanding } of this.#replicas)
      if (this.#busy.size === 0)
        ok((running.get(id) ?? 0) <= outstanding, 'more requests run than are counted');
    // A retry waits even if the queue is full.
    if (!hasRetries) ok(this.pool.deployments[0]!.waiting <= maxQueue, 'too many requests wait');
  }

  /** Delivers every message, then ends one running request after the other, until no request is left. */
  #finish(): void {
    for (const replica of this.#replicas) replica.setState('ready');
    for (const { number, isAlive } of this.#threads) if (!isAlive) this.#replace(number);
    for (;;) {
      this.#settle();
      const request = this.#requests.find(({ state }) => state === 'runs');
      if (request === undefined) break;
      request.state = 'over';
      request.lease!.release();
    }
    deepEqual(
      this.#requests.filter(({ state }) => state !== 'over'),
      [],
      'a request was neither granted nor refused',
    );
    for (const { outstanding } of this.#replicas) equal(outstanding, 0, 'places were not given back');
    equal(this.pool.deployments[0]!.waiting, 0);
    deepEqual(this.#line, []);
  }

  /** Delivers every message, and checks that no request waits while a ready replica has room. */
  #settle(): void {
    this.#isChecking = true;
    const others = this.#threads.slice(1);
    const isUnderWay = ({ ports, isAlive }: SimulatedThread) =>
      ports!.main.next !== undefined || (isAlive && ports!.own.next !== undefined);
    while (others.some(isUnderWay))
      for (const thread of others) {
        this.#deliverFrom(thread);
        if (thread.isAlive) thread.ports!.own.deliver();
      }
    if (this.pool.deployments[0]!.waiting > 0)
      for (const { isReady, outstanding } of this.#replicas)
        if (isReady) equal(outstanding, this.#settings.cap, 'a request waits while a replica has room');
    this.#isChecking = false;
  }
}
