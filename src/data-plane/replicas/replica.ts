// One replica: its state, its load and its recent failures. Hot path.
// Invariant: only `setState` changes the state.
//
//              probe ok              probes failed, or a connection was refused
//   starting ───────────► ready ──────────────────────────────────────────────► down
//      ▲                   │ ▲ too many broken responses       probe ok         │
//      │                   │ └──────────── ejected ◄─┐   ready ◄────────────────┘
//      │                   └─────────────────────────┘ (ready again when its time is over and a probe succeeds)
//      └── restarted: the supervised process is a new one (from any state)
//   any state ──► draining: by an operator or the configuration; gets no more requests (back: starting)
import type { ReplicaOptions } from './options.ts';
import type { ReplicaTls } from './replica-tls.ts';
import type { ReplicaUrl } from './replica-url.ts';

/**
 * starting: not ready since it was (re)started. down: was ready and is not now. ejected: its probes succeed, but it
 * broke too many responses. draining: gets no more requests, by an operator or the configuration.
 */
export type ReplicaState = 'starting' | 'ready' | 'down' | 'ejected' | 'draining';

/** Share of the load at the start of a replica's return. */
const FIRST_SHARE = 0.1;

export class Replica {
  /** Changed only by the pool, when the configuration renames the replica. */
  id: string;
  readonly url: ReplicaUrl;
  options: ReplicaOptions;
  /** TLS options of connections to it; `undefined` in clear text. Changed only by the pool, with the configuration. */
  tls: ReplicaTls | undefined = undefined;
  /** Number of requests in flight. Written only by leases. */
  outstanding = 0;
  /** Consecutive exchanges that the replica broke off. */
  failures = 0;
  /** performance.now() of the first unanswered probe since the last sign of life; 0: none. */
  silentSinceMs = 0;
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
  /** True if the configuration no longer names it. It is removed when it has no request left. */
  isLeaving = false;
  /** performance.now() of its return from down or ejected while it gets a reduced share; 0: it gets its full share. */
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

  /** Load for comparison: requests in flight, scaled up while the replica has only just returned. */
  get load(): number {
    return this.#returnedMs === 0 ? this.outstanding : this.#returningLoad();
  }

  /** Changes the state. The listener is called only if the state differs. */
  setState(state: ReplicaState): void {
    const from = this.#state;
    if (from === state) return;
    this.#state = state;
    this.changedMs = performance.now();
    const isReturn = state === 'ready' && (from === 'down' || from === 'ejected');
    this.#returnedMs = isReturn && this.#slowReturnMs > 0 ? this.changedMs : 0;
    if (state === 'ready' || state === 'starting') this.failures = 0;
    this.#changed(this, from);
  }

  #returningLoad(): number {
    const share = (performance.now() - this.#returnedMs) / this.#slowReturnMs;
    if (share >= 1) this.#returnedMs = 0;
    return (this.outstanding + 1) / Math.min(1, Math.max(FIRST_SHARE, share)) - 1;
  }
}
