// The full lane's reader of responses, between a socket and Node's parser, with the bytes split at every position.
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { interimText } from '../../../../src/data-plane/proxy/response-head.ts';
import { readResponse } from '../../../../src/data-plane/proxy/http/replica-socket.ts';
import { ScriptedSocket, settled } from '../../../kit/node-parser.ts';

interface Outcome {
  interim: string[];
  status: number;
  headers: string[];
  body: string;
  isComplete: boolean;
  upgraded: string | undefined;
  error: string | undefined;
}

/** The result of Node's client for a response in these pieces. */
async function played(
  pieces: readonly string[],
  { method = 'GET', mayUpgrade = false } = {},
): Promise<Outcome> {
  const socket = new ScriptedSocket();
  const out: Outcome = {
    interim: [],
    status: 0,
    headers: [],
    body: '',
    isComplete: false,
    upgraded: undefined,
    error: undefined,
  };
  const headers = mayUpgrade ? { connection: 'upgrade', upgrade: 'websocket' } : {};
  const to: ClientRequest = request({
    method,
    headers,
    createConnection: () => socket,
    maxHeaderSize: 64 * 1024,
  });
  readResponse(to, {
    mayUpgrade,
    interim: (head) => out.interim.push(interimText(head)),
    writeFailed: () => undefined,
  });
  let response: IncomingMessage | undefined;
  to.on('error', (error: NodeJS.ErrnoException) => (out.error ??= error.code ?? error.message));
  to.on('response', (res) => {
    response = res;
    res.on('data', (chunk: Buffer) => (out.body += chunk.toString('latin1')));
    res.on('error', (error: NodeJS.ErrnoException) => (out.error ??= error.code ?? error.message));
  });
  to.on('upgrade', (res: IncomingMessage, stream: Socket, early: Buffer) => {
    response = res;
    out.upgraded = early.toString('latin1');
    stream.on('data', (chunk: Buffer) => (out.upgraded += chunk.toString('latin1')));
  });
  to.end();
  await settled();
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.push(Buffer.from(piece, 'latin1'));
    await settled();
  }
  out.status = response?.statusCode ?? 0;
  out.headers = response?.rawHeaders ?? [];
  out.isComplete = response?.complete === true;
  socket.destroy();
  return out;
}

const INTERIM = 'HTTP/1.1 103 Early \u00fc\r\nX-A: caf\u00c3\u00a9\r\n\r\n';
const RESPONSES: [name: string, text: string, options?: { method?: string; mayUpgrade?: boolean }][] = [
  ['with a length', 'HTTP/1.1 200 OK\r\nX-A: \u00fc\r\nContent-Length: 5\r\n\r\nhello'],
  ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'],
  ['behind interim ones', `${INTERIM}HTTP/1.1 100 Continue\r\n\r\n${INTERIM}HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n`],
  ['with lengths to be read leniently', 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello'],
  ['to HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n', { method: 'HEAD' }],
  ['that is RTSP', 'RTSP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
  ['that is RTSP behind an interim one', `${INTERIM}RTSP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello`],
  ['that switches without an upgrade', 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi'],
  [
    'that switches',
    `${INTERIM}HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: \u00fc\r\n\r\nhi`,
    { mayUpgrade: true },
  ],
]; // prettier-ignore

describe('a response', () => {
  it.each(RESPONSES)('%s is read the same at every split', async (_, text, options) => {
    const whole = await played([text], options);
    expect(whole.status !== 0 || whole.error !== undefined).toBe(true);
    for (let at = 1; at < text.length; at++)
      expect(await played([text.slice(0, at), text.slice(at)], options), String(at)).toEqual(whole);
    expect(await played(text.split(''), options)).toEqual(whole);
  });

  it('has the status, headers and body that were sent', async () => {
    const outcomes = new Map<string, Outcome>();
    for (const [name, text, options] of RESPONSES) outcomes.set(name, await played([text], options));
    expect(outcomes.get('with a length')).toMatchObject({ status: 200, body: 'hello', isComplete: true });
    expect(outcomes.get('with a length')!.headers.slice(0, 4)).toEqual([
      'X-A',
      '\u00fc',
      'Content-Length',
      '5',
    ]);
    expect(outcomes.get('in chunks')).toMatchObject({ status: 200, body: 'hello', isComplete: true });
    expect(outcomes.get('behind interim ones')).toMatchObject({ status: 204, isComplete: true });
    expect(outcomes.get('behind interim ones')!.interim).toEqual([
      INTERIM,
      'HTTP/1.1 100 Continue\r\n\r\n',
      INTERIM,
    ]);
    expect(outcomes.get('with lengths to be read leniently')).toMatchObject({
      status: 200,
      body: 'hello',
      isComplete: true,
    });
    expect(outcomes.get('to HEAD')).toMatchObject({ status: 200, body: '', isComplete: true });
    for (const name of [
      'that is RTSP',
      'that is RTSP behind an interim one',
      'that switches without an upgrade',
    ])
      expect(outcomes.get(name)).toMatchObject({ status: 0, error: 'HPE_INVALID_HEAD' });
    expect(outcomes.get('that switches')).toMatchObject({ status: 101, upgraded: 'hi', interim: [INTERIM] });
  });

  it('with an endless head fails', async () => {
    const endless = `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(70_000)}`;
    expect(await played([endless.slice(0, 40_000), endless.slice(40_000)])).toMatchObject({
      error: 'HPE_INVALID_HEAD',
    });
  });
});
