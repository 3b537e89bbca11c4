// What the sockets of the full lane's agents do beyond Node's: they can be read after a write has failed, and chunked answers
// come to Node's parser without what it refuses though HTTP allows it: extensions with blanks, padded sizes.
// Invariant: heads, and bodies that are not chunked, are passed as they came; Node's parser judges them. What comes behind an
// answer is dropped, and its connection is not used again.
import type { Duplex } from 'node:stream';
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { BodyFollower, BROKEN } from '../http/body.ts';
import { INCOMPLETE, READY, readResponseHead, ResponseHead } from '../http/head.ts';
import { WriteGuard } from '../http/write-guard.ts';

const sockets = new WeakMap<Duplex, ReplicaSocket>();

/** Shared by all sockets: what was read last is used before anything else is read. */
const head = new ResponseHead();

const HEAD = 0;
const BODY = 1;
/** Nothing is known of what comes, or nothing more is of the answer. */
const AS_IT_COMES = 2;
/** More came than the answer: for Node the connection ends with the answer, and the rest is dropped. */
const OUT_OF_STEP = 3;

export class ReplicaSocket {
  readonly #socket: Socket;
  readonly #guard: WriteGuard;
  readonly #push: Socket['push'];
  readonly #body = new BodyFollower();
  #state = AS_IT_COMES;
  #isToHead = false;
  #partial: Buffer | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#guard = new WriteGuard(socket);
    // The method through which a socket hands on what it has read.
    this.#push = socket.push.bind(socket);
    socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean =>
      chunk === null ? this.#end() : this.#receive(chunk as Buffer, encoding);
  }

  /** What is known of a socket that an agent of `extend` has made. */
  static of(socket: Duplex): ReplicaSocket | undefined {
    return sockets.get(socket);
  }

  /** Makes all sockets that an agent will make such sockets. */
  static extend(agent: Agent): void {
    const create = agent.createConnection.bind(agent);
    agent.createConnection = (options, done) => {
      const socket = create(options, done);
      if (socket) sockets.set(socket, new ReplicaSocket(socket as Socket));
      return socket;
    };
  }

  /**
   * A request is to be sent. `isToHead`: it is a HEAD request. `failed`: called when nothing more of it can be sent, though
   * the answer may still come.
   */
  begin(isToHead: boolean, failed: () => void): void {
    this.#state = HEAD;
    this.#isToHead = isToHead;
    this.#partial = undefined;
    this.#guard.onFailed = failed;
  }

  /** A write failed: the end of the connection is the reset that was withheld, or a clean one. */
  #end(): boolean {
    if (this.#state === OUT_OF_STEP) return false;
    const { error, isReset } = this.#guard;
    if (error === undefined) return this.#push(null);
    if (isReset) this.#socket.destroy(error);
    else {
      // What could not be written would keep the socket open.
      this.#socket.once('end', () => this.#socket.destroy());
      this.#push(null);
    }
    return false;
  }

  #receive(bytes: Buffer, encoding: BufferEncoding | undefined): boolean {
    if (this.#state === AS_IT_COMES) return this.#push(bytes, encoding);
    if (this.#state === OUT_OF_STEP) return true;
    const bodyStart = this.#state === HEAD ? this.#readHead(bytes) : 0;
    if (this.#state !== BODY) return this.#push(bytes);
    const end = this.#body.follow(bytes, bodyStart, bytes.length);
    if (end === BROKEN) return this.#break();
    if (this.#body.isWhole) this.#state = AS_IT_COMES;
    const passing = this.#body.isEdited ? this.#body.edited(bytes, 0, end) : bytes.subarray(0, end);
    if (end === bytes.length) return this.#push(passing);
    this.#state = OUT_OF_STEP;
    this.#push(passing);
    return this.#push(null);
  }

  /** Returns where the body begins, if the last head of the answer ends in these bytes: past interim ones (1xx). */
  #readHead(bytes: Buffer): number {
    const known = this.#partial?.length ?? 0;
    const joined = this.#partial === undefined ? bytes : Buffer.concat([this.#partial, bytes]);
    this.#partial = undefined;
    let at = 0;
    for (;;) {
      const verdict = readResponseHead(joined, at, joined.length, this.#isToHead, head);
      if (verdict === INCOMPLETE) {
        this.#partial = joined.subarray(at);
        return 0;
      }
      if (verdict !== READY || head.status === 101) {
        this.#state = AS_IT_COMES;
        return 0;
      }
      at = head.end;
      if (head.status < 200) continue;
      this.#state = BODY;
      this.#body.begin(head.framing, head.length, true);
      return at - known;
    }
  }

  /** As Node's parser reports it. */
  #break(): boolean {
    const error = new Error('the chunked body is malformed');
    this.#socket.destroy(Object.assign(error, { code: 'HPE_INVALID_CHUNK_SIZE' }));
    return false;
  }
}
