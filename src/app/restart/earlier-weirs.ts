// The side of the weir that has the data folder: receives requests that ended in earlier weirs, and their calls of the
// queue, on a Unix socket in the folder.
// Invariant: what was received is answered before the folder is given up; what was not is left to the next weir.
import { createServer, type Server, type Socket } from 'node:net';
import { unixAddress } from '../../core/address.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { DeploymentIdentity } from '../../core/deployment-identity.ts';
import { exchangeOfFacts } from '../../core/exchange/late-exchange.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { Component } from '../../core/lifecycle.ts';
import { MessageSocket } from '../../core/message-socket.ts';
import { answer, type Call, type CallResult } from '../../core/worker-rpc.ts';
import { listen } from '../../protocol/http/listen.ts';
import { socketIn, type LateRequest } from './late-request.ts';

/** Identities of deployments that are remembered. */
const MAX_IDENTITIES = 1000;

export interface EarlierWeirsDeps {
  readonly folder: string;
  readonly log: Logger;
  /** Records a request that ended in another weir. */
  readonly record: (exchange: Exchange, deployment: DeploymentIdentity | undefined) => void;
  /** Runs an operation of the queue, by its name. */
  readonly queue: (operation: string, args: readonly unknown[]) => unknown;
}

interface EarlierWeir {
  readonly socket: Socket;
  readonly messages: MessageSocket;
  /** Calls that are not answered yet. */
  open: number;
}

export class EarlierWeirs implements Component {
  readonly name = 'earlier weirs';
  readonly #deps: EarlierWeirsDeps;
  readonly #server: Server;
  readonly #weirs = new Set<EarlierWeir>();
  readonly #identities = new Map<string, DeploymentIdentity>();
  #closeFolder = (): void => undefined;
  #answered: (() => void) | undefined;

  constructor(deps: EarlierWeirsDeps) {
    this.#deps = deps;
    this.#server = createServer((socket) => this.#onWeir(socket));
    this.#server.unref();
  }

  async start(): Promise<void> {
    const { folder, log } = this.#deps;
    const { path, close } = socketIn(folder);
    this.#closeFolder = close;
    try {
      await listen(this.#server, { listen: unixAddress(path), socket_mode: '600' }, '--data-dir');
    } catch (error) {
      // Some file systems have no sockets. Clients are served all the same.
      log.warn('requests that end in the old weir are not recorded', { problem: describe(error) });
    }
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const { messages } of this.#weirs) messages.stopReceiving();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answered = resolve;
    this.#checkAnswered();
    await promise;
    const closed = Array.from(
      this.#weirs,
      ({ socket }) => new Promise((done) => void socket.once('close', done)),
    );
    for (const { messages } of this.#weirs) messages.close();
    await Promise.all(closed);
    this.#closeFolder();
  }

  #onWeir(socket: Socket): void {
    socket.unref();
    const weir: EarlierWeir = {
      socket,
      messages: new MessageSocket(socket, (message) => {
        for (const call of message as readonly Call[]) this.#serve(weir, call);
      }),
      open: 0,
    };
    this.#weirs.add(weir);
    socket.once('close', () => {
      this.#weirs.delete(weir);
      this.#checkAnswered();
    });
  }

  #serve(weir: EarlierWeir, call: Call): void {
    weir.open++;
    answer(
      call,
      (operation, args) => this.#run(operation, args),
      (result: CallResult) => {
        weir.open--;
        if (!weir.socket.destroyed) weir.messages.send([result]);
        this.#checkAnswered();
      },
    );
  }

  #run(operation: string, args: readonly unknown[]): unknown {
    if (operation !== 'record') return this.#deps.queue(operation, args);
    for (const { facts, deployment, bodies } of args[0] as readonly LateRequest[])
      this.#deps.record(exchangeOfFacts(facts, bodies), deployment && this.#identity(deployment));
    return undefined;
  }

  /** The same object for the same deployment, since the recorder looks it up by that. */
  #identity(deployment: DeploymentIdentity): DeploymentIdentity {
    const key = JSON.stringify([deployment.id, deployment.environment]);
    const known = this.#identities.get(key);
    if (known !== undefined) return known;
    if (this.#identities.size >= MAX_IDENTITIES) this.#identities.clear();
    this.#identities.set(key, deployment);
    return deployment;
  }

  #checkAnswered(): void {
    for (const { open } of this.#weirs) if (open > 0) return;
    this.#answered?.();
  }
}
