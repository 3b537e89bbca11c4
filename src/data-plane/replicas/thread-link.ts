// The main thread's side of one other data thread: receives its messages, and sends it grants and changes.
// Invariant: every ticket of the thread is answered with `granted` or `refused`, unless it leaves first.
import type { Deployment } from './deployment.ts';
import type { Broke, ToMain, Unreachable, Waits } from './messages-to-main.ts';
import type { ToThread } from './messages-to-thread.ts';
import type { Replica } from './replica.ts';
import type { WaitEntry } from './wait-queue.ts';

/** What the pools need of a MessagePort. */
export interface PoolPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: never) => void): unknown;
  unref(): void;
  close(): void;
}

export class ThreadLink {
  readonly thread: number;
  readonly #port: PoolPort;
  readonly #deployments: readonly Deployment[];
  /** The waiting requests of the thread by ticket. */
  readonly #entries = new Map<number, WaitEntry>();
  #isClosed = false;

  constructor(thread: number, port: PoolPort, deployments: readonly Deployment[]) {
    this.thread = thread;
    this.#port = port;
    this.#deployments = deployments;
    port.on('message', (message: ToMain) => {
      if (!this.#isClosed) this.#received(message);
    });
    // Only servers keep a process running.
    port.unref();
  }

  send(message: ToThread): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#port.postMessage(message);
  }

  /** Ends the connection. Its waiting requests leave the queues. */
  close(): void {
    this.#isClosed = true;
    this.#port.close();
    for (const entry of this.#entries.values()) entry.leave();
    this.#entries.clear();
  }

  #received(message: ToMain): void {
    const deployment = this.#deployments[message.deployment]!;
    switch (message.kind) {
      case 'waits':
        this.#waits(deployment, message);
        break;
      case 'leaves':
        this.#entries.get(message.ticket)?.leave();
        this.#entries.delete(message.ticket);
        break;
      case 'freed':
        deployment.freed();
        break;
      case 'unreachable':
        this.#at(message, (replica) => deployment.unreachable(replica));
        break;
      case 'broke':
        this.#at(message, (replica) => deployment.broke(replica, message.failures));
        break;
    }
  }

  /** The replica of a report may have been removed meanwhile. */
  #at({ deployment, replica }: Unreachable | Broke, act: (replica: Replica) => void): void {
    const found = this.#deployments[deployment]!.replicas.find(({ number }) => number === replica);
    if (found !== undefined) act(found);
  }

  #waits(deployment: Deployment, { ticket, attempts, waitedMs, avoid }: Waits): void {
    const named = { deployment: deployment.index, ticket };
    const entry = deployment.waitFor(
      { attempts, waitedMs, leased: () => undefined },
      {
        granted: ({ replica }) => {
          this.#entries.delete(ticket);
          this.send({ kind: 'granted', ...named, replica: replica.number });
        },
        refused: (failure) => {
          this.#entries.delete(ticket);
          this.send({ kind: 'refused', ...named, failure });
        },
      },
      deployment.replicas.find(({ number }) => number === avoid),
      this.thread,
    );
    if (typeof entry === 'string') return this.send({ kind: 'refused', ...named, failure: entry });
    this.#entries.set(ticket, entry);
    deployment.grantWaiting();
  }
}
