// Reads the head of a replica's answer before Node's parser does, by the rules of the fast lane, and gives Node a clean one.
// Must stay true: both lanes judge an answer's head alike, since one function reads it: status line and version, framing,
// interim answers. Node's parser would take RTSP/1.0 and ICE/1.0, and refuse a length that is given twice.
// It stands between the socket of a request and Node's listener for it, from the moment that the request has its socket to
// the end of the head of its final answer. Then Node's listener is put back.
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { INCOMPLETE, NO_BODY, READY, readResponseHead, ResponseHead } from '../http/head.ts';

/** Bytes of one head, at most: as many as Node's parser is told to take. */
export const MAX_RESPONSE_HEAD_BYTES = 64 * 1024;

const NOTHING = Buffer.alloc(0);

/** What is told of an answer's head. */
export interface AnswerHeadEvents {
  /** An interim answer came (1xx, but not 101). `head` is only valid during the call. */
  interim(head: ResponseHead, socket: Socket): void;
  /** True where 101 may be the final answer. */
  readonly mayUpgrade: boolean;
}

/** The bytes of an interim answer as the client gets it, to be written as latin1. */
export const interimText = ({ status, reason, kept }: ResponseHead): string =>
  `HTTP/1.1 ${status} ${reason}\r\n${kept}\r\n`;

/** Reads the head of the answer to `to`. A malformed one ends the request with an error whose code begins with HPE_. */
export function readAnswerHead(to: ClientRequest, events: AnswerHeadEvents): void {
  // Node would drop all headers beyond the thousandth without a word; the limit is in bytes instead.
  to.maxHeadersCount = 0;
  to.on('socket', (socket) => new HeadReader(to, socket, events).begin());
}

class HeadReader {
  readonly #to: ClientRequest;
  readonly #socket: Socket;
  readonly #events: AnswerHeadEvents;
  readonly #head = new ResponseHead();
  #partial: Buffer = NOTHING;
  #listeners: ((chunk: Buffer) => void)[] = [];

  constructor(to: ClientRequest, socket: Socket, events: AnswerHeadEvents) {
    this.#to = to;
    this.#socket = socket;
    this.#events = events;
  }

  begin(): void {
    const socket = this.#socket;
    this.#listeners = socket.listeners('data') as ((chunk: Buffer) => void)[];
    socket.on('data', this.#onData);
    for (const listener of this.#listeners) socket.off('data', listener);
    this.#to.on('close', this.#end);
  }

  readonly #end = (): void => {
    this.#socket.off('data', this.#onData);
    this.#to.off('close', this.#end);
    this.#partial = NOTHING;
  };

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    const head = this.#head;
    let at = 0;
    for (;;) {
      const verdict = readResponseHead(bytes, at, bytes.length, this.#to.method === 'HEAD', head);
      if (verdict === INCOMPLETE && bytes.length - at < MAX_RESPONSE_HEAD_BYTES) {
        this.#partial = bytes.subarray(at);
        return;
      }
      if (verdict !== READY) return this.#refuse('the head of its answer is malformed');
      if (head.status === 101 || head.status >= 200) break;
      this.#events.interim(head, this.#socket);
      at = head.end;
      // Its owner may have ended it.
      if (this.#socket.destroyed) return;
    }
    if (head.status !== 101) {
      let rest = bytes.subarray(head.end);
      // More than the answer: the replica is out of step. The rest is dropped, and the connection is not used again.
      if (head.framing === NO_BODY && rest.length > 0) {
        head.keepAlive = false;
        rest = NOTHING;
      }
      this.#deliver(cleanHead(head, bytes.latin1Slice(at, head.end)), rest);
    } else if (this.#events.mayUpgrade) this.#deliver(NOTHING, bytes.subarray(at));
    else this.#refuse('it switched protocols unasked');
  };

  /** Puts Node's listener back and gives it the head and what follows. */
  #deliver(head: Buffer, rest: Buffer): void {
    const socket = this.#socket;
    const listeners = this.#listeners;
    this.#end();
    for (const listener of listeners) socket.on('data', listener);
    const bytes = head.length === 0 ? rest : Buffer.concat([head, rest]);
    for (const listener of listeners) listener.call(socket, bytes);
  }

  #refuse(detail: string): void {
    this.#end();
    this.#to.destroy(Object.assign(new Error(detail), { code: 'HPE_INVALID_HEAD' }));
  }
}

/** The head without what was for its hop, but for what tells Node how long the connection can be kept. */
function cleanHead({ minor, status, reason, kept, keepAlive }: ResponseHead, original: string): Buffer {
  const hint = keepAlive ? (/\r\nkeep-alive:[^\r]*/i.exec(original)?.[0].slice(2) ?? '') : '';
  const connection = `Connection: ${keepAlive ? 'keep-alive' : 'close'}\r\n${hint === '' ? '' : `${hint}\r\n`}`;
  return Buffer.from(`HTTP/1.${minor} ${status} ${reason}\r\n${kept}${connection}\r\n`, 'latin1');
}
