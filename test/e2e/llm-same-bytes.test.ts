// Responses with and without `llm.follow`, byte by byte, in both lanes: following changes nothing that a client or a
// replica gets.
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendApart } from '../kit/raw-exchange.ts';
import { startRawReplica, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const json = (value: unknown): string => latin1(JSON.stringify(value));
const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const CHAT = json({
  model: 'é"\u001b',
  choices: [{ message: { content: 'x' }, finish_reason: 'stop' }],
  usage: USAGE,
});
const event = (content: string): string =>
  `data: ${json({ model: 'm', choices: [{ index: 0, delta: { content } }] })}\n\n`;
const EVENTS = [
  event(''),
  event('Hé'),
  event('llo'),
  `data: ${json({ choices: [], usage: USAGE })}\n\n`,
  'data: [DONE]\n\n',
];

const chunk = (text: string, extension = ''): string =>
  `${text.length.toString(16)}${extension}\r\n${text}\r\n`;
const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const plain = (body: string, ...lines: string[]): string =>
  head('HTTP/1.1 200 OK', 'Content-Type: application/json', `Content-Length: ${body.length}`, ...lines) +
  body;
const streamed = head('HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Transfer-Encoding: chunked');
const single = (text: string): string[] => Array.from(text);

const BODY = json({ model: 'm', stream: true, messages: [{ role: 'user', content: 'x'.repeat(300) }] });
const asked = (method: string, body: string, version = '1.1', ...lines: string[]): string =>
  head(
    `${method} /v1/chat/completions HTTP/${version}`,
    'Host: a',
    'Content-Type: application/json',
    ...(body === '' ? [] : [`Content-Length: ${body.length}`]),
    ...lines,
  ) + body;
const CLOSE = 'Connection: close';

/** What a client sends, in pieces, and the responses of the replica to one request after the other, in pieces. */
interface Case {
  readonly sends: readonly string[];
  readonly responds: readonly (readonly string[])[];
  /** The replica closes the connection after this response. */
  readonly breaks?: boolean;
}

const CASES: Record<string, Case> = {
  'a plain response': { sends: [asked('POST', BODY, '1.1', CLOSE)], responds: [[plain(CHAT)]] },
  'a plain response in single bytes': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [single(plain(CHAT))],
  },
  'a stream in chunks': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [[streamed, ...EVENTS.map((one) => chunk(one)), '0\r\n\r\n']],
  },
  'a stream with chunk extensions and trailers': {
    sends: [asked('POST', BODY, '1.1', 'TE: trailers', CLOSE)],
    responds: [
      [streamed, ...EVENTS.map((one) => chunk(one, ';a=b')), '0\r\nServer-Timing: total;dur=1\r\n\r\n'],
    ],
  },
  'a stream in single bytes': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [single(streamed + chunk(EVENTS.join('')) + '0\r\n\r\n')],
  },
  'a stream that ends with the connection': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [[head('HTTP/1.1 200 OK', 'Content-Type: text/event-stream', CLOSE), ...EVENTS]],
    breaks: true,
  },
  'a stream that the replica cuts': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [[streamed, chunk(EVENTS[0]!), chunk(EVENTS[1]!)]],
    breaks: true,
  },
  'a client of HTTP/1.0': {
    sends: [asked('POST', BODY, '1.0')],
    responds: [[streamed, ...EVENTS.map((one) => chunk(one)), '0\r\n\r\n']],
  },
  HEAD: {
    sends: [asked('HEAD', '', '1.1', CLOSE)],
    responds: [[head('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: 99')]],
  },
  '304': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [[head('HTTP/1.1 304 Not Modified', 'ETag: "a"')]],
  },
  '204': { sends: [asked('POST', BODY, '1.1', CLOSE)], responds: [[head('HTTP/1.1 204 No Content')]] },
  'an interim response': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [[head('HTTP/1.1 103 Early Hints', 'Link: </a>') + plain(CHAT)]],
  },
  'requests in a pipeline': {
    sends: [
      asked('POST', BODY) + asked('GET', '') + asked('POST', 'not JSON') + asked('POST', BODY, '1.1', CLOSE),
    ],
    responds: [
      [plain(CHAT)],
      [plain('{}')],
      [plain(`[${CHAT}]`)],
      [streamed, ...EVENTS.map((one) => chunk(one)), '0\r\n\r\n'],
    ],
  },
  'a body in single bytes': {
    sends: [asked('POST', '', '1.1', `Content-Length: ${BODY.length}`, CLOSE), ...single(BODY)],
    responds: [[plain(CHAT)]],
  },
  'a body in chunks': {
    sends: [
      head(
        'POST /v1/x HTTP/1.1',
        'Host: a',
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
        CLOSE,
      ),
      ...single(BODY).map((one) => chunk(one)),
      '0\r\n\r\n',
    ],
    responds: [[plain(CHAT)]],
  },
  'Expect: 100-continue': {
    sends: [asked('POST', '', '1.1', `Content-Length: ${BODY.length}`, 'Expect: 100-continue', CLOSE), BODY],
    responds: [[plain(CHAT)]],
  },
  'a request that is sent again': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [
      [head('HTTP/1.1 503 Busy', 'Content-Type: application/json', 'Content-Length: 2') + '{}'],
      [plain(CHAT)],
    ],
  },
  'a compressed response': {
    sends: [asked('POST', BODY, '1.1', CLOSE)],
    responds: [[plain(gzipSync(CHAT).toString('latin1'), 'Content-Encoding: gzip')]],
  },
  'a body that is not JSON': {
    sends: [asked('POST', `{"model": "m${'\0"\\'.repeat(99)}`, '1.1', CLOSE)],
    responds: [[plain(`{"usage": {"prompt_tokens": 1e999, ${'['.repeat(5000)}`)]],
  },
  'a long body and a long response': {
    sends: [asked('POST', json({ prompt: 'é'.repeat(99_000), model: 'm' }), '1.1', CLOSE)],
    responds: [[plain(json({ text: 'ü'.repeat(200_000), usage: USAGE }))]],
  },
};

/** End of the first request in `text`; -1 while it is incomplete. */
function endOf(text: string): number {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return -1;
  const fields = text.slice(0, headEnd);
  if (/\r\ntransfer-encoding: chunked/i.test(fields)) {
    const last = text.indexOf('\r\n0\r\n\r\n', headEnd);
    return last === -1 ? -1 : last + 7;
  }
  const end = headEnd + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(fields)?.[1] ?? 0);
  return text.length < end ? -1 : end;
}

/** Removes what differs between two requests: ids, times and ports; and the sizes of chunks. */
const comparable = (text: string): string =>
  text
    .replace(/^(x-baseten-request-id|x-request-id|traceparent|date|host|server-timing): .*$/gim, '$1')
    .replace(/\r\n[0-9a-f]+(?:;a=b)?\r\n/gi, '');

describe('responses with and without llm.follow', () => {
  let replica: Replica;
  let current: Case;
  let seen: string[];
  const weirs: Record<string, Weir> = {};

  const serve = (socket: Socket): void => {
    let unread = '';
    let last: Promise<void> = Promise.resolve();
    const respond = async (response: readonly string[]): Promise<void> => {
      await sendApart(socket, response);
      if (current.breaks === true) socket.end();
    };
    socket.setNoDelay(true).on('data', (bytes) => {
      unread += bytes.toString('latin1');
      for (let end = endOf(unread); end !== -1; end = endOf(unread)) {
        const response = current.responds[seen.length] ?? [];
        seen.push(comparable(unread.slice(0, end)));
        unread = unread.slice(end);
        last = last.then(() => respond(response));
      }
    });
  };

  /** What the client and the replica get. */
  async function run(weir: Weir, one: Case): Promise<{ client: string; replica: readonly string[] }> {
    current = one;
    seen = [];
    const socket = connect({ host: '127.0.0.1', port: weir.port, noDelay: true });
    let received = '';
    let isOver = false;
    socket.on('data', (bytes) => (received += bytes.toString('latin1')));
    socket.on('error', () => (isOver = true));
    socket.on('close', () => (isOver = true));
    await sendApart(socket, one.sends);
    await until('the connection is closed', () => isOver);
    return { client: comparable(received), replica: seen };
  }

  beforeAll(async () => {
    replica = await startRawReplica(serve);
    for (const lane of ['fast', 'full'])
      for (const follow of [true, false])
        weirs[`${lane} ${follow}`] = await startWeir([
          `--replica=${replica.url}`,
          `--proxy-fast-lane=${lane === 'fast'}`,
          `--llm-follow=${follow}`,
        ]);
  });
  afterAll(async () => {
    await Promise.all(Object.values(weirs).map((weir) => weir.stop()));
    await replica.close();
  });

  for (const lane of ['fast', 'full'])
    it.each(Object.entries(CASES))(`are the same in the ${lane} lane: %s`, async (_, one) => {
      const followed = await run(weirs[`${lane} true`]!, one);
      expect(followed.client).toMatch(/^HTTP\/1\.1 \d\d\d /);
      expect(followed.replica).toHaveLength(one.responds.length);
      expect(followed).toEqual(await run(weirs[`${lane} false`]!, one));
    });

  it('are followed only where the setting is on', async () => {
    for (const [name, weir] of Object.entries(weirs)) {
      const isFollowed = name.endsWith('true');
      expect((await weir.page()).text.includes('weir_llm_tokens_total{'), name).toBe(isFollowed);
    }
  });
});
