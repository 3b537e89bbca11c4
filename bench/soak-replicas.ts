// The gRPC replicas of bench/soak-grpc.ts, on node:http2: one that answers, resets and waits, and one that also loses
// its connections.
// Invariant: the path of a call says how it ends, but for calls on a connection that is lost.
import { once } from 'node:events';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const REFUSED_STREAM = 7;
const LARGE_BYTES = 100_000;

/** A gRPC message of so many zero bytes, with its prefix. */
export function messageOf(bytes: number): Buffer {
  const message = Buffer.alloc(5 + bytes);
  message.writeUInt32BE(bytes, 1);
  return message;
}

const SMALL = messageOf(200);
const LARGE = messageOf(LARGE_BYTES);
/** More than the window of a client that does not read. */
const UNREAD = messageOf(500_000);

function respond(stream: ServerHttp2Stream, trailers: Record<string, string>): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
}

const OK = { 'grpc-status': '0' };
const onlyStatus = (code: string) => ({ ...HEAD, 'grpc-status': code });

/** Runs once the client has ended its side. */
const afterEnd = (stream: ServerHttp2Stream, then: () => void): void => {
  stream.on('end', then);
  stream.resume();
};

const behaviours: Record<string, (stream: ServerHttp2Stream) => void> = {
  unary: (stream) =>
    afterEnd(stream, () => {
      respond(stream, OK);
      stream.end(SMALL);
    }),
  large: (stream) =>
    afterEnd(stream, () => {
      respond(stream, OK);
      stream.end(LARGE);
    }),
  stream: (stream) =>
    afterEnd(stream, () => {
      respond(stream, OK);
      for (let i = 0; i < 10; i++) stream.write(SMALL);
      stream.end();
    }),
  echo: (stream) => {
    respond(stream, OK);
    stream.on('data', (chunk: Buffer) => stream.write(chunk));
    stream.on('end', () => stream.end());
  },
  status: (stream) => afterEnd(stream, () => stream.respond(onlyStatus('5'), { endStream: true })),
  early: (stream) =>
    stream.once('data', () => {
      respond(stream, { 'grpc-status': '9' });
      stream.end(SMALL);
      stream.resume();
    }),
  'no-status': (stream) =>
    afterEnd(stream, () => {
      respond(stream, { x: 'y' });
      stream.end(SMALL);
    }),
  http: (stream) => stream.respond({ ':status': 503, 'content-type': 'text/html' }, { endStream: true }),
  reset: (stream) =>
    afterEnd(stream, () => {
      stream.respond(HEAD);
      // `close` would end the stream first.
      stream.write(SMALL, () => stream.destroy(new Error('reset')));
    }),
  refused: (stream) => {
    if (Math.random() < 0.2) return stream.close(REFUSED_STREAM);
    return stream.respond(onlyStatus('0'), { endStream: true });
  },
  hold: (stream) => {
    stream.respond(HEAD);
    stream.write(SMALL);
    stream.resume();
  },
  'hold-large': (stream) => {
    stream.respond(HEAD);
    stream.write(UNREAD);
    stream.resume();
  },
  lost: (stream) => {
    stream.respond(HEAD);
    stream.write(SMALL, () => stream.session?.destroy());
  },
};

/** Calls that end by themselves, on a replica that keeps its connections. */
export const endingKinds = [
  'unary',
  'unary',
  'unary',
  'unary',
  'large',
  'stream',
  'stream',
  'echo',
  'echo',
  'status',
  'early',
  'no-status',
  'http',
  'reset',
  'refused',
] as const;

export interface SoakReplica {
  readonly url: string;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  close(): void;
}

export async function startSoakReplica(): Promise<SoakReplica> {
  const server = createServer({ settings: { maxConcurrentStreams: 1000 } });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => session.destroy());
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy());
    const kind = String(headers[':path']).split('/')[2] ?? '';
    const behave = behaviours[kind];
    if (behave === undefined) stream.respond(onlyStatus('12'), { endStream: true });
    else behave(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    close: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}
