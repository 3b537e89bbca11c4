// One replica: its state, its load and its recent failures. Hot path.
// With several data threads each has an object of its own for the same replica, over memory that they share.
// Invariant: only `setState` changes the state, in the main thread. No place is taken at a replica that is not ready.
//
//              probe ok              probes failed, or a connection was refused
//   starting ───────────► ready ──────────────────────────────────────────────► down
//      ▲                   │ ▲ too many broken responses       probe ok         │
//      │                   │ └──────────── ejected ◄─┐   ready ◄────────────────┘
//      │                   └─────────────────────────┘ (ready again when its time is over and a probe succeeds)
//      └── restarted: the supervised process is a new one (from any state)
//   any state ──► draining: by an operator or the configuration; gets no more requests (back: starting)
import type { ReplicaOptions } from './options.ts';
import { countIn, countMemory, FIRST_FLAG, PlaceCount } from './place-count.ts';
import type { ReplicaTls } from './replica-tls.ts';
import type { ReplicaUrl } from './replica-url.ts';

/**
 * starting: not ready since it was (re)started. down: was ready and is not now. ejected: its probes succeed, but it
 * broke too many responses. draining: gets no more requests, by an operator or the configuration.
 */
export type ReplicaState = 'starting' | 'ready' | 'down' | 'ejected' | 'draining';

const STATES: readonly ReplicaState[] = ['starting', 'ready', 'down', 'ejected', 'draining'];

/** Share of the load at the start of a replica's return. */
const FIRST_SHARE = 0.1;

/** It gets a reduced share, since it has only just returned. */
const RETURNING = FIRST_FLAG;
const NOT_READY = FIRST_FLAG << 1;
/** Words of the memory. Word 0 is the count of requests in flight, with the flags. */
const STATE = 1;
const FAILURES = 2;
/** 64-bit numbers of the memory: performance.now(), which is the same clock in every thread. */
const SILENT_SINCE = 2;
const RETURNED = 3;

/** `word`: the word of a replica. True if it is ready and has fewer than `cap` requests in flight. */
export const hasRoom = (word: number, cap: number): boolean => word < NOT_READY && (word & ~RETURNING) < cap;

/** The count: requests in flight, of all threads. */
export class Replica extends PlaceCount {
  /** Changed only by the pool, when the configuration renames the replica. */
  id: string;
  /** Names it in messages between threads; unique in its deployment. */
  readonly number: number;
  readonly url: ReplicaUrl;
  options: ReplicaOptions;
  /** TLS options of connections to it; `undefined` in clear text. Changed only by the pool, with the configuration. */
  tls: ReplicaTls | undefined = undefined;
  /** True if the configuration no longer names it. It is removed when it has no request left. */
  isLeaving = false;

  // The main thread only:
  /** Number of recent ejections; the next one lasts longer for each. */
  ejections = 0;
  /** performance.now() at which the last ejection ends; 0: never ejected. */
  ejectedUntilMs = 0;
  /** True after the first readiness probe has ended. */
  wasProbed = false;
  /** True if it has answered a readiness probe, with any result, since its process started. */
  wasReached = false;
  /** False after too many failed liveness probes. */
  isAlive = true;
  /** performance.now() of the last change of its state. */
  changedMs = performance.now();
  readonly #slowReturnMs: number;
  readonly #changed: (replica: Replica, from: ReplicaState) => void;

  /** `memory`: shared with other threads. The thread that makes it is the main thread. */
  constructor(
    options: ReplicaOptions,
    changed: (replica: Replica, from: ReplicaState) => void,
    slowReturnMs = 0,
    number = 0,
    memory?: ArrayBufferLike,
    thread = 0,
  ) {
    super(memory ?? countMemory(1), thread);
    this.id = options.id;
    this.number = number;
    this.url = options.url;
    this.options = options;
    this.#changed = changed;
    this.#slowReturnMs = slowReturnMs;
    if (thread === 0) this.setFlag(NOT_READY, true);
  }

  get state(): ReplicaState {
    return STATES[this.words[STATE]!]!;
  }

  get isReady(): boolean {
    return this.word < NOT_READY;
  }

  /** Takes a place for `thread`. Returns false if there is none any more. */
  take(cap: number, thread = this.thread): boolean {
    const { word } = this;
    return hasRoom(word, cap) && this.takeIf(word, thread);
  }

  /** Number of requests in flight. */
  get outstanding(): number {
    return this.count;
  }

  /** Consecutive exchanges that the replica broke off. */
  get failures(): number {
    return this.words[FAILURES]!;
  }

  /** Counts an exchange that the replica broke off. Returns how many there were in a row. */
  failed(): number {
    return Atomics.add(this.words, FAILURES, 1) + 1;
  }

  /** It gave a complete response. */
  succeeded(): void {
    // Memory that other threads read is not written without need.
    if (this.words[FAILURES] !== 0) this.words[FAILURES] = 0;
  }

  /** performance.now() of the first unanswered probe since the last sign of life; 0: none. */
  get silentSinceMs(): number {
    return this.doubles[SILENT_SINCE]!;
  }

  set silentSinceMs(ms: number) {
    if (this.doubles[SILENT_SINCE] !== ms) this.doubles[SILENT_SINCE] = ms;
  }

  /** Load for comparison: requests in flight, scaled up while the replica has only just returned. */
  get load(): number {
    return this.loadAt(this.word);
  }

  /** The load if the word is `word`. */
  loadAt(word: number): number {
    return (word & RETURNING) === 0 ? countIn(word) : this.#returningLoad();
  }

  /** Changes the state. The listener is called only if the state differs. */
  setState(state: ReplicaState): void {
    const from = this.state;
    if (from === state) return;
    this.changedMs = performance.now();
    const isReturn = state === 'ready' && (from === 'down' || from === 'ejected');
    this.doubles[RETURNED] = this.changedMs;
    this.setFlag(RETURNING, isReturn && this.#slowReturnMs > 0);
    if (state === 'ready' || state === 'starting') this.succeeded();
    this.words[STATE] = STATES.indexOf(state);
    this.setFlag(NOT_READY, state !== 'ready');
    this.#changed(this, from);
  }

  /** Gives a place of this thread back. Returns true if the replica is not ready, so that it may be waited for. */
  release(): boolean {
    return this.give() >= NOT_READY;
  }

  #returningLoad(): number {
    const share = (performance.now() - this.doubles[RETURNED]!) / this.#slowReturnMs;
    if (share >= 1 && this.thread === 0) this.setFlag(RETURNING, false);
    return (this.count + 1) / Math.min(1, Math.max(FIRST_SHARE, share)) - 1;
  }
}
