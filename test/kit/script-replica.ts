// A gRPC replica that plays the steps of a case, frame by frame, and keeps what it received.
// Invariant: every connection is closed by `close`.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Decoder } from '../../src/protocol/http2/hpack/decoder.ts';
import { fieldOf, type GrpcCase, type Step } from './grpc-case.ts';
import { frame, Frames, type Frame } from './h2.ts';
import { until } from './until.ts';

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const MAX_FRAME = 16_384;
const PREFACE_BYTES = 24;

/** What a replica received of a call. */
export interface SeenCall {
  readonly path: string;
  readonly fields: [string, string][];
  body: Buffer;
  request: 'open' | 'ended' | 'reset';
}

/** An integer of HPACK with a prefix of 7 bits (RFC 7541 5.1). */
function lengthOf(text: Buffer): Buffer {
  if (text.length < 127) return Buffer.from([text.length]);
  const bytes = [127];
  let rest = text.length - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

/** Fields as literals without indexing, whatever their names and values are. Values are latin1. */
const blockOf = (fields: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(
    fields.flatMap(([name, value]) => {
      const [first, second] = [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')];
      return [Buffer.from([0]), lengthOf(first), first, lengthOf(second), second];
    }),
  );

/** HEADERS, with CONTINUATIONs if they are large. */
function headersFrames(stream: number, block: Buffer, isEnd: boolean): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME) {
    const isLast = at + MAX_FRAME >= block.length;
    const flags = (at === 0 && isEnd ? END_STREAM : 0) | (isLast ? END_HEADERS : 0);
    parts.push(frame(at === 0 ? HEADERS : CONTINUATION, flags, stream, block.subarray(at, at + MAX_FRAME)));
  }
  return Buffer.concat(parts);
}

/** A gRPC message with its prefix. */
function prefixed(text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** Whole messages in a body. */
export function countMessages(body: Buffer): number {
  let count = 0;
  for (let at = 0; at + 5 <= body.length; at += 5 + body.readUInt32BE(at + 1))
    if (at + 5 + body.readUInt32BE(at + 1) <= body.length) count++;
  return count;
}

const headOf = (fields: readonly string[]): [string, string][] => {
  const pairs = fields.map(fieldOf);
  const isWhole = pairs[0]?.[0] === ':status';
  return isWhole ? pairs : [[':status', '200'], ['content-type', 'application/grpc'], ...pairs];
};

export class ScriptReplica {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #caseOf: (path: string) => GrpcCase | undefined;
  /** Calls since `forget`, without health checks. */
  seen: SeenCall[] = [];
  /** Errors of scripts. */
  readonly problems: string[] = [];

  /** `caseOf`: the case of a path. */
  constructor(caseOf: (path: string) => GrpcCase | undefined) {
    this.#caseOf = caseOf;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const calls = new Map<number, SeenCall>();
    const decoder = new Decoder(1e6);
    const frames = new Frames();
    let preface = PREFACE_BYTES;
    let block: Buffer = Buffer.alloc(0);
    let first: Frame | undefined;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      for (const call of calls.values()) if (call.request === 'open') call.request = 'reset';
    });
    socket.write(frame(SETTINGS, 0, 0));
    const receive = (one: Frame) => {
      const { type, flags, stream, payload } = one;
      const call = calls.get(stream);
      if (type === SETTINGS && (flags & ACK) === 0) socket.write(frame(SETTINGS, ACK, 0));
      if (type === PING && (flags & ACK) === 0) socket.write(frame(PING, ACK, 0, payload));
      if (type === RST_STREAM && call !== undefined) call.request = 'reset';
      if (type === DATA && call !== undefined) {
        call.body = Buffer.concat([call.body, payload]);
        if (payload.length > 0) {
          const credit = Buffer.alloc(4);
          credit.writeUInt32BE(payload.length);
          socket.write(Buffer.concat([0, stream].map((to) => frame(WINDOW_UPDATE, 0, to, credit))));
        }
        if ((flags & END_STREAM) !== 0) call.request = 'ended';
      }
      if (type !== HEADERS && type !== CONTINUATION) return;
      if (type === HEADERS) first = one;
      // Priority is not read, since no client of these tests sends it.
      block = type === HEADERS ? payload : Buffer.concat([block, payload]);
      if ((flags & END_HEADERS) === 0) return;
      const isEnd = (first!.flags & END_STREAM) !== 0;
      const fields = decoder.decode(block, 0, block.length).fields.map(({ name, value }) => [name, value]);
      if (call !== undefined) {
        if (isEnd) call.request = 'ended';
        return;
      }
      const path = fields.find(([name]) => name === ':path')![1]!;
      const begun: SeenCall = {
        path,
        fields: fields as [string, string][],
        body: Buffer.alloc(0),
        request: isEnd ? 'ended' : 'open',
      };
      calls.set(stream, begun);
      this.#begin(socket, stream, begun);
    };
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(preface, chunk.length);
      preface -= skipped;
      for (const one of frames.read(chunk.subarray(skipped))) receive(one);
    });
  }

  #begin(socket: Socket, stream: number, call: SeenCall): void {
    const found = this.#caseOf(call.path);
    if (found === undefined) {
      // A health check, or a path that no case has.
      socket.write(headersFrames(stream, blockOf(headOf(['grpc-status: 12'])), true));
      return;
    }
    this.seen.push(call);
    const problem = (error: unknown) => this.problems.push(`${found.name}: ${String(error)}`);
    void this.#play(socket, stream, call, found.replica).catch(problem);
  }

  async #play(socket: Socket, stream: number, call: SeenCall, steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (socket.destroyed) return;
      if ('wait' in step) await waitFor(step.wait, call);
      else if ('close' in step) socket.destroy();
      else socket.write(bytesOf(step, stream));
    }
  }
}

async function waitFor(what: Extract<Step, { wait: unknown }>['wait'], call: SeenCall): Promise<void> {
  if (what === 'end') await until('the client ends or resets', () => call.request !== 'open');
  else if (what === 'reset') await until('the client resets', () => call.request === 'reset');
  else if ('ms' in what) await new Promise((resolve) => setTimeout(resolve, what.ms));
  else
    await until(
      `${what.messages} messages came`,
      () => call.request === 'reset' || countMessages(call.body) >= what.messages,
    );
}

function bytesOf(step: Exclude<Step, { wait: unknown } | { close: true }>, stream: number): Buffer {
  if ('head' in step) return headersFrames(stream, blockOf(headOf(step.head)), false);
  if ('only' in step) return headersFrames(stream, blockOf(headOf(step.only)), true);
  if ('trailers' in step) return headersFrames(stream, blockOf(step.trailers.map(fieldOf)), true);
  if ('messages' in step) return frame(DATA, 0, stream, Buffer.concat(step.messages.map(prefixed)));
  if ('data' in step)
    return frame(DATA, step.end === true ? END_STREAM : 0, stream, Buffer.from(step.data, 'hex'));
  if ('reset' in step) return frame(RST_STREAM, 0, stream, fourBytes(step.reset));
  if ('goaway' in step) {
    const last = step.last === 'this' ? stream : stream - 2;
    return frame(GOAWAY, 0, 0, Buffer.concat([fourBytes(last), fourBytes(step.goaway)]));
  }
  return frame(step.frame, step.flags ?? 0, step.on ?? stream, Buffer.from(step.payload ?? '', 'hex'));
}

function fourBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
