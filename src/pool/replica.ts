// One replica as the pool sees it: is it ready, and how many requests does it hold.
// Must stay true: only `to` changes the state.
//
//             probe ok                  probe failed n times, or a connection refused
//   starting ──────────► ready ───────────────────────────────────────────────────► down
//      ▲                   ▲                          probe ok                         │
//      │                   └────────────────────────────────────────────────────────────┤
//      └──────────── restarted (the supervised process is a new one) ◄──────────────────┘ (or from ready)
import type { ReplicaOptions, ReplicaUrl } from './options.ts';

/** starting: never ready since it was (re)started. down: was ready, is not now. */
export type ReplicaState = 'starting' | 'ready' | 'down';

export class Replica {
  readonly id: string;
  readonly url: ReplicaUrl;
  /** Requests it holds right now. Written by the pool's leases alone. */
  outstanding = 0;
  #state: ReplicaState = 'starting';
  readonly #changed: (replica: Replica, from: ReplicaState) => void;

  constructor(options: ReplicaOptions, changed: (replica: Replica, from: ReplicaState) => void) {
    this.id = options.id;
    this.url = options.url;
    this.#changed = changed;
  }

  get state(): ReplicaState {
    return this.#state;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** The one way to change the state; the pool's listener hears of real changes only. */
  to(state: ReplicaState): void {
    const from = this.#state;
    if (from === state) return;
    this.#state = state;
    this.#changed(this, from);
  }
}
