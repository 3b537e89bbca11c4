// Clients of HTTP/2 for tests: Node's, with raw fields, and a WebSocket over it.
// Invariant: every connection is closed by `closeH2Clients`.
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { WebSocket } from 'ws';

const sessions = new Set<ClientHttp2Session>();

/** Opens a connection. `ca`: for https. Resolves when the settings of the server have come. */
export async function openH2(url: string, ca?: string): Promise<ClientHttp2Session> {
  const session = connect(url, {
    ca,
    settings: { initialWindowSize: 256 * 1024 },
    // With ten megabytes that are not sent yet, Node's client would reset streams that get a response.
    maxSessionMemory: 100,
  });
  sessions.add(session);
  session.on('error', () => undefined);
  session.on('close', () => sessions.delete(session));
  await once(session, 'remoteSettings');
  return session;
}

export function closeH2Clients(): void {
  for (const session of sessions) session.destroy();
}

export interface H2Response {
  readonly status: number;
  /** The value of each name; those of a repeated name joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Statuses of interim responses. */
  readonly hints: number[];
  readonly body: Buffer;
  readonly text: string;
  readonly trailers: Readonly<Record<string, string>>;
  /** Code of RST_STREAM; 0 if there was none, or NO_ERROR. */
  readonly code: number;
}

const joined = (raw: readonly string[]): Record<string, string> => {
  const all: Record<string, string> = {};
  for (let i = 0; i < raw.length; i += 2)
    all[raw[i]!] = all[raw[i]!] === undefined ? raw[i + 1]! : `${all[raw[i]!]}, ${raw[i + 1]}`;
  return all;
};

/** Begins a request. `fields`: a raw list with or without pseudo-headers; GET / is the default. */
export function beginH2(
  session: ClientHttp2Session,
  fields: readonly string[],
  isEnd = false,
): ClientHttp2Stream {
  const given = new Set(fields.filter((_, i) => i % 2 === 0));
  const first: string[] = [];
  for (const [name, value] of [
    [':method', 'GET'],
    [':scheme', session.encrypted === true ? 'https' : 'http'],
    [':path', '/'],
    [':authority', 'test.example'],
  ] as const)
    if (!given.has(name) && !(name === ':authority' && given.has('host'))) first.push(name, value);
  const pseudo = fields.filter((_, i) => fields[i - (i % 2)]!.startsWith(':'));
  const others = fields.filter((_, i) => !fields[i - (i % 2)]!.startsWith(':'));
  const stream = session.request([...first, ...pseudo, ...others], { endStream: isEnd });
  stream.on('error', () => undefined);
  return stream;
}

/** Reads a whole response. */
export async function readH2(stream: ClientHttp2Stream): Promise<H2Response> {
  const hints: number[] = [];
  let head: readonly string[] = [];
  let trailers: readonly string[] = [];
  const pieces: Buffer[] = [];
  stream.on('continue', () => hints.push(100));
  stream.on('headers', (interim) => hints.push(interim[':status']!));
  stream.on('response', (_headers, _flags, raw: string[]) => (head = raw));
  stream.on('trailers', (_headers, _flags, raw: string[]) => (trailers = raw));
  stream.on('data', (chunk: Buffer) => pieces.push(chunk));
  // Not `once`, which would throw the error of a stream that is reset.
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', () => resolve()));
  const headers = joined(head);
  const body = Buffer.concat(pieces);
  return {
    status: Number(headers[':status'] ?? 0),
    headers,
    hints,
    body,
    text: body.toString(),
    trailers: joined(trailers),
    code: stream.rstCode,
  };
}

/** Sends a request and reads the whole response. */
export function callH2(
  session: ClientHttp2Session,
  fields: readonly string[] = [],
  body?: string | Buffer,
): Promise<H2Response> {
  const stream = beginH2(session, fields, body === undefined);
  if (body !== undefined) stream.end(body);
  return readH2(stream);
}

/** Opens a WebSocket by extended CONNECT (RFC 8441). `fields`: besides those of every WebSocket. */
export async function openH2WebSocket(
  session: ClientHttp2Session,
  path: string,
  fields: readonly string[] = [],
): Promise<{ socket: WebSocket; headers: Readonly<Record<string, string>>; stream: ClientHttp2Stream }> {
  const stream = beginH2(session, [
    ':method',
    'CONNECT',
    ':protocol',
    'websocket',
    ':path',
    path,
    'sec-websocket-version',
    '13',
    ...fields,
  ]);
  const [, , raw] = (await once(stream, 'response')) as [unknown, unknown, string[]];
  const headers = joined(raw);
  if (headers[':status'] !== '200') throw new Error(`the WebSocket was refused with ${headers[':status']}`);
  // The constructor of ws without an address, and how it takes the socket of an upgrade.
  const socket = new (
    WebSocket as unknown as new (address: null, protocols: undefined, options: object) => WebSocket
  )(null, undefined, { autoPong: true, closeTimeout: 5000 });
  const internals = socket as unknown as {
    _isServer: boolean;
    setSocket(stream: ClientHttp2Stream, head: Buffer, options: object): void;
  };
  internals._isServer = false;
  internals.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, allowSynchronousEvents: true });
  return { socket, headers, stream };
}
