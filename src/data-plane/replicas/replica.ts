// One replica as the pool sees it: does it take requests, how many does it hold, and how has it done lately.
// Must stay true: only `to` changes the state.
//
//              probe ok                probes failed, or a connection refused
//   starting ───────────► ready ──────────────────────────────────────────────► down
//      ▲                   │ ▲ answers broken off in a row     probe ok         │
//      │                   │ └──────────── ejected ◄─┐   ready ◄────────────────┘
//      │                   └─────────────────────────┘ (back when its time is over and a probe says ok)
//      └── restarted: the supervised process is a new one (from any state)
//   any state ──► draining: an operator, or the configuration, wants it to get no more (back: starting)
import type { ReplicaOptions, ReplicaUrl } from './options.ts';
import type { ReplicaTls } from './replica-tls.ts';

/**
 * starting: never ready since it was (re)started. down: was ready, is not now. ejected: says that it is ready, but broke
 * too many answers. draining: gets no more requests, on request.
 */
export type ReplicaState = 'starting' | 'ready' | 'down' | 'ejected' | 'draining';

/** Share of the load that a replica gets at the very beginning of its return. */
const FIRST_SHARE = 0.1;

export class Replica {
  /** Changed by the pool alone, when the configuration gives it another name. */
  id: string;
  readonly url: ReplicaUrl;
  options: ReplicaOptions;
  /** How it is spoken to over TLS; `undefined` in clear text. Changed by the pool alone, with the configuration. */
  tls: ReplicaTls | undefined = undefined;
  /** Requests it holds right now. Written by leases alone. */
  outstanding = 0;
  /** Answers broken off in a row. */
  failures = 0;
  /** performance.now() of the first probe that it left unanswered since it last gave a sign of life; 0: none. */
  silentSinceMs = 0;
  /** Times that it was ejected without a good while in between, and until when it is now (performance.now()). */
  ejections = 0;
  ejectedUntilMs = 0;
  /** A readiness probe has said something of it. */
  wasAsked = false;
  /** True if it has answered a readiness probe, with any result, since its process started. */
  wasReached = false;
  /** Its liveness probes have not failed too often. */
  isAlive = true;
  /** The configuration names it no more: it goes when it holds nothing. */
  isLeaving = false;
  /** performance.now() of its return from down or ejected while it is still given less; 0: it gets its full share. */
  #returnedMs = 0;
  readonly #slowReturnMs: number;
  #state: ReplicaState = 'starting';
  readonly #changed: (replica: Replica, from: ReplicaState) => void;

  constructor(
    options: ReplicaOptions,
    changed: (replica: Replica, from: ReplicaState) => void,
    slowReturnMs = 0,
  ) {
    this.id = options.id;
    this.url = options.url;
    this.options = options;
    this.#changed = changed;
    this.#slowReturnMs = slowReturnMs;
  }

  get state(): ReplicaState {
    return this.#state;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** How full it is, to be compared: the requests it holds, weighed up while it has only just returned. */
  get load(): number {
    return this.#returnedMs === 0 ? this.outstanding : this.#returningLoad();
  }

  /** The one way to change the state; the pool's listener hears of real changes only. */
  to(state: ReplicaState): void {
    const from = this.#state;
    if (from === state) return;
    this.#state = state;
    const isReturn = state === 'ready' && (from === 'down' || from === 'ejected');
    this.#returnedMs = isReturn && this.#slowReturnMs > 0 ? performance.now() : 0;
    if (state === 'ready' || state === 'starting') this.failures = 0;
    this.#changed(this, from);
  }

  #returningLoad(): number {
    const share = (performance.now() - this.#returnedMs) / this.#slowReturnMs;
    if (share >= 1) this.#returnedMs = 0;
    return (this.outstanding + 1) / Math.min(1, Math.max(FIRST_SHARE, share)) - 1;
  }
}
