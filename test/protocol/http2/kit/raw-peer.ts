// A peer for tests that sends single HTTP/2 frames, right or wrong, and reads what comes back.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FLAG, FRAME, PREFACE } from '../../../../src/protocol/http2/frame-types.ts';
import { until } from '../../../kit/until.ts';
import { track } from './endpoints.ts';

export { PREFACE };

/** The bytes of a frame. `length`: what its head says, if that is to differ from the payload. */
export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Buffer | number[] = [],
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value, 'latin1');
  // RFC 7541 5.1, up to 16 bits.
  const rest = bytes.length - 127;
  if (rest < 0) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let left = rest;
  for (; left >= 128; left = Math.floor(left / 128)) length.push(128 | (left % 128));
  return Buffer.concat([Buffer.from([...length, left]), bytes]);
};

/** A header block of literals that are not indexed (RFC 7541 6.2.2). */
export const block = (fields: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'test'],
];
export const POST: typeof GET = [[':method', 'POST'], ...GET.slice(1)];

const END = FLAG.endHeaders | FLAG.endStream;

/** A whole request without a body. */
export const get = (id: number, extra: typeof GET = []): Buffer =>
  frame(FRAME.headers, END, id, block([...GET, ...extra]));
/** The head of a request with a body. */
export const post = (id: number, extra: typeof GET = []): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders, id, block([...POST, ...extra]));
export const headers = (flags: number, id: number, payload: Buffer | number[]): Buffer =>
  frame(FRAME.headers, flags, id, payload);
export const data = (id: number, payload: Buffer | number[], flags = 0): Buffer =>
  frame(FRAME.data, flags, id, payload);
export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const setting = (id: number, value: number): Buffer =>
  Buffer.concat([Buffer.from([0, id]), uint32(value)]);
export const settings = (...list: Buffer[]): Buffer => frame(FRAME.settings, 0, 0, Buffer.concat(list));
export const windowUpdate = (id: number, by: number): Buffer => frame(FRAME.windowUpdate, 0, id, uint32(by));
export const rst = (id: number, code: number): Buffer => frame(FRAME.rstStream, 0, id, uint32(code));
export const ping = (payload = 'pingpong'): Buffer => frame(FRAME.ping, 0, 0, Buffer.from(payload));

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** The frames in `bytes`, and the bytes of an incomplete one after them. */
export function readFrames(bytes: Buffer): { frames: ReceivedFrame[]; rest: Buffer } {
  const frames: ReceivedFrame[] = [];
  let rest = bytes;
  while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
    const end = 9 + rest.readUIntBE(0, 3);
    frames.push({
      type: rest[3]!,
      flags: rest[4]!,
      id: rest.readUInt32BE(5),
      payload: Buffer.from(rest.subarray(9, end)),
    });
    rest = rest.subarray(end);
  }
  return { frames, rest };
}

export class RawPeer {
  readonly socket: Socket;
  readonly frames: ReceivedFrame[] = [];
  /** The other side has closed the connection. */
  isClosed = false;
  #rest = Buffer.alloc(0);
  #syncs = 0;

  constructor(socket: Socket, skipBytes = 0) {
    this.socket = track(socket);
    let skip = skipBytes;
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      this.#read(chunk.subarray(skipped));
    });
    socket.on('error', () => undefined);
    socket.on('end', () => (this.isClosed = true));
    socket.on('close', () => (this.isClosed = true));
  }

  /** A client that has sent nothing. */
  static async connect(port: number): Promise<RawPeer> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.setNoDelay(true);
    return new RawPeer(socket);
  }

  /** A client that has sent the preface and SETTINGS. */
  static async handshake(port: number, ...list: Buffer[]): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    peer.send(PREFACE, settings(...list), frame(FRAME.settings, FLAG.ack, 0));
    return peer;
  }

  send(...parts: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  of(type: number, id?: number): ReceivedFrame[] {
    return this.frames.filter((one) => one.type === type && (id === undefined || one.id === id));
  }

  /** Bytes of DATA of a stream. */
  body(id: number): Buffer {
    return Buffer.concat(this.of(FRAME.data, id).map(({ payload }) => payload));
  }

  /** Sends a PING and waits for its answer: what was sent before has been read by then. */
  async sync(): Promise<void> {
    const payload = String(this.#syncs++).padStart(8, '0');
    this.send(ping(payload));
    await until('the PING is answered', () =>
      this.of(FRAME.ping).some((one) => one.flags === FLAG.ack && one.payload.toString() === payload),
    );
  }

  #read(chunk: Buffer): void {
    const { frames, rest } = readFrames(Buffer.concat([this.#rest, chunk]));
    this.frames.push(...frames);
    this.#rest = Buffer.from(rest);
  }
}
