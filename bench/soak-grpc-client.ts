// The clients of bench/soak-grpc.ts: gRPC calls of random kinds on node:http2, with cancels at random points.
// Invariant: each call is counted once, by how it ended for its client: a cause of weir, or cancelled.
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { endingKinds, messageOf } from './soak-replicas.ts';

const CANCEL = 8;
const SMALL = messageOf(100);
const LARGE = messageOf(100_000);
/** Calls at a time on one connection, and calls that it makes before it is closed. */
const CONCURRENT = 16;
const PER_CONNECTION = 5000;
/** Calls that are open when a client closes its connection. */
const LEFT_OPEN = 5;

const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

export class SoakClients {
  readonly #port: number;
  readonly #total: number;
  /** Calls begun. */
  begun = 0;
  /** Calls that ended, by cause; those that the client cancelled have `client_gone`. */
  readonly causes = new Map<string, number>();
  /** Calls that got a status, by its number. */
  readonly statuses = new Map<string, number>();
  /** Calls that ended in no way that a client expects. */
  readonly problems: string[] = [];

  constructor(port: number, total: number) {
    this.#port = port;
    this.#total = total;
  }

  /** Opens one connection after the other, until all calls are made. */
  async run(): Promise<void> {
    while (this.begun < this.#total) {
      const session = connect(`http://127.0.0.1:${this.#port}`);
      session.on('error', () => undefined);
      await once(session, 'remoteSettings');
      let left = PER_CONNECTION;
      const work = async () => {
        while (left-- > 0 && this.begun < this.#total) await this.#call(session);
      };
      await Promise.all(Array.from({ length: CONCURRENT }, work));
      await this.#leave(session);
    }
  }

  /** Closes a connection with calls in flight. */
  async #leave(session: ClientHttp2Session): Promise<void> {
    const open = Array.from({ length: LEFT_OPEN }, () => this.#begin(session, 'steady', 'hold'));
    await Promise.all(open.map((stream) => once(stream, 'data')));
    for (let i = 0; i < LEFT_OPEN; i++) this.#count('client_gone');
    session.destroy();
  }

  async #call(session: ClientHttp2Session): Promise<void> {
    const roll = Math.random();
    if (roll < 0.15) return this.#cancelled(session);
    if (roll < 0.17)
      return this.#ended(this.#begin(session, 'steady', 'hold', { 'grpc-timeout': '20m' }), 'hold');
    if (roll < 0.18) return this.#ended(this.#begin(session, 'nowhere', 'unary'), 'unary');
    if (roll < 0.19)
      return this.#ended(this.#begin(session, 'steady', 'unary', { 'grpc-timeout': 'x' }), 'unary');
    if (roll < 0.25) {
      const kind = Math.random() < 0.01 ? 'lost' : 'unary';
      return this.#ended(this.#begin(session, 'lossy', kind), kind);
    }
    const kind = pick(endingKinds);
    return this.#ended(this.#begin(session, 'steady', kind), kind);
  }

  #begin(
    session: ClientHttp2Session,
    deployment: string,
    kind: string,
    more: Record<string, string> = {},
  ): ClientHttp2Stream {
    this.begun++;
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': `/soak/${kind}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        'x-baseten-deployment': deployment,
        ...more,
      },
      { endStream: false },
    );
    stream.on('error', () => undefined);
    return stream;
  }

  #count(cause: string): void {
    this.causes.set(cause, (this.causes.get(cause) ?? 0) + 1);
  }

  /** Sends what a call of this kind sends, and reads its whole response. */
  async #ended(stream: ClientHttp2Stream, kind: string): Promise<void> {
    let end: Record<string, unknown> = {};
    stream.on('response', (headers) => (end = headers));
    stream.on('trailers', (headers) => (end = headers));
    if (kind === 'large' && Math.random() < 0.3) {
      stream.pause();
      setTimeout(() => stream.resume(), Math.random() * 50);
    }
    let echoes = 0;
    stream.on('data', () => {
      if (kind !== 'echo') return;
      if (++echoes < 3) stream.write(SMALL);
      else stream.end();
    });
    if (kind === 'echo' || kind === 'early' || kind === 'hold') stream.write(SMALL);
    else stream.end(kind === 'large' ? LARGE : SMALL);
    await new Promise((resolve) => stream.once('close', resolve));
    const status = end['grpc-status'];
    if (typeof status !== 'string')
      return void this.problems.push(`${kind} ended without a status (${stream.rstCode})`);
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.#count(typeof end['x-weir-cause'] === 'string' ? end['x-weir-cause'] : 'ok');
  }

  /** Makes a call that its replica does not end, and cancels it at a random point. */
  async #cancelled(session: ClientHttp2Session): Promise<void> {
    const point = pick(['sent', 'later', 'head', 'message', 'upload', 'unread'] as const);
    const stream = this.#begin(session, 'steady', point === 'unread' ? 'hold-large' : 'hold');
    const closed = new Promise((resolve) => stream.once('close', resolve));
    if (point === 'head' || point === 'unread') await once(stream, 'response');
    else if (point === 'message') await once(stream, 'data');
    else {
      stream.write(point === 'upload' ? LARGE : SMALL);
      // The head has left when this returns.
      await new Promise((resolve) => setTimeout(resolve, point === 'later' ? Math.random() * 10 : 0));
    }
    stream.close(CANCEL);
    await closed;
    this.#count('client_gone');
  }
}
