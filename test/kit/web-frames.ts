// gRPC-Web for tests: what a client sends, and what it makes of a response.
import type { IncomingMessage } from 'node:http';
import { call } from './client.ts';

export const BINARY = 'application/grpc-web+proto';
export const TEXT = 'application/grpc-web-text+proto';

/** A message with its prefix. `flags`: 1 means compressed. */
export function messageFrame(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The bytes of text in base64, group by group, since padding may stand in the middle. */
export const fromText = (text: string): Buffer =>
  Buffer.concat((text.match(/.{1,4}/g) ?? []).map((group) => Buffer.from(group, 'base64')));

/** The body of a response. */
export interface WebBody {
  readonly messages: Buffer[];
  /** Lines of the trailers, as [name, value]. */
  readonly trailers: [string, string][];
  /** What a name has in the trailers; `undefined` if it is not there. */
  readonly trailer: (name: string) => string | undefined;
}

/** Reads a whole body. Throws if it does not end with one frame of trailers. */
export function readWebBody(bytes: Buffer): WebBody {
  const messages: Buffer[] = [];
  let at = 0;
  while (bytes[at] === 0 || bytes[at] === 1) {
    const length = bytes.readUInt32BE(at + 1);
    if (at + 5 + length > bytes.length) throw new Error('the body ends inside a message');
    messages.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  const left = bytes.subarray(at);
  if (left[0] !== 0x80 || left.readUInt32BE(1) !== left.length - 5)
    throw new Error(`the body ends with ${left.toString('hex')}, not with a frame of trailers`);
  const trailers = left
    .toString('latin1', 5)
    .split('\r\n')
    .slice(0, -1)
    .map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
  return { messages, trailers, trailer: (name) => trailers.find(([one]) => one === name)?.[1] };
}

/** The outcome of a call. */
export interface WebOutcome extends WebBody {
  readonly headers: IncomingMessage['headers'];
  /** The number of its status. */
  readonly code: number;
  readonly id: string;
  readonly cause: string | undefined;
}

/** Makes a call, and reads its response. Throws if that is not a response of gRPC-Web in the type of the request. */
export async function webCall(
  url: string,
  path: string,
  messages: readonly Uint8Array[],
  headers: Record<string, string> = {},
  type = BINARY,
): Promise<WebOutcome> {
  const isText = type.startsWith('application/grpc-web-text');
  const bytes = Buffer.concat(messages.map((message) => messageFrame(message)));
  const body = isText ? bytes.toString('base64') : bytes;
  const response = await call(url, path, {
    method: 'POST',
    headers: { 'content-type': type, 'x-grpc-web': '1', ...headers },
    body,
  });
  return outcomeOf(response);
}

/** What a client makes of a response. */
export function outcomeOf(response: {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}): WebOutcome {
  const type = String(response.headers['content-type']);
  if (response.status !== 200 || !type.startsWith('application/grpc-web'))
    throw new Error(`no gRPC-Web: ${response.status} ${type} ${response.body.toString()}`);
  const isText = type.startsWith('application/grpc-web-text');
  const web = readWebBody(isText ? fromText(response.body.toString('latin1')) : response.body);
  return {
    ...web,
    headers: response.headers,
    code: Number(web.trailer('grpc-status')),
    id: web.trailer('x-baseten-request-id') ?? '',
    cause: web.trailer('x-weir-cause'),
  };
}
