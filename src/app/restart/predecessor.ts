// The weir that this one replaces: it has started this process, and passes on its sockets and its data folder.
// Invariant: if it ends in the middle, this weir goes on without it, since nothing is left to wait for.
import { RESTART_VARIABLE } from '../../config/config.ts';
import type { InheritedSockets, ServerName } from '../../core/inherited-sockets.ts';
import type { PassedSocket } from './sockets.ts';
import type { FromSuccessor, ToSuccessor } from './successor.ts';

/** The sockets, and the process that passes them. The content of RESTART_VARIABLE, as JSON. */
export interface RestartFacts {
  readonly pid: number;
  readonly sockets: readonly PassedSocket[];
}

export class Predecessor {
  readonly sockets: InheritedSockets;
  readonly #ended = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();

  private constructor({ sockets }: RestartFacts) {
    this.sockets = new Map<ServerName, PassedSocket>(sockets.map((socket) => [socket.name, socket]));
    process.once('disconnect', () => this.#ended.resolve());
    process.on('message', (message: ToSuccessor) => {
      if (message.step === 'released') this.#released.resolve();
    });
  }

  /** Takes the variable out of the environment. `undefined`: this weir replaces none. */
  static take(env: NodeJS.ProcessEnv): Predecessor | undefined {
    const text = env[RESTART_VARIABLE];
    delete env[RESTART_VARIABLE];
    if (text === undefined || process.send === undefined) return undefined;
    const facts = JSON.parse(text) as RestartFacts;
    // A variable that another process has inherited says nothing about this one.
    return facts.pid === process.ppid ? new Predecessor(facts) : undefined;
  }

  /** Asks for the data folder. Resolves when it is free. */
  async release(): Promise<void> {
    this.#send({ step: 'ready' });
    await Promise.race([this.#released.promise, this.#ended.promise]);
  }

  /** This weir accepts connections: the other one may leave. */
  serving(): void {
    this.#send({ step: 'serving' });
  }

  #send(message: FromSuccessor): void {
    if (process.connected) process.send!(message);
  }
}
