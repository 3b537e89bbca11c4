// Submissions of asynchronous requests through both lanes, split at every byte. Both lanes must give the same responses
// and the same records, but for ids and times.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange, readMessages, type Message } from '../kit/raw-exchange.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

/** No replica listens there, so that tasks stay in the queue. */
const ARGS = [
  '--replica=http://127.0.0.1:9',
  '--async-submit-rate=0',
  '--async-status-rate=0',
  '--async-max-body=400',
];

/** Starts two weirs that differ only in their lane. */
const startBoth = (...args: string[]): Promise<[Weir, Weir]> =>
  Promise.all([startWeir([...ARGS, ...args]), startWeir([...ARGS, ...args, '--proxy-fast-lane=false'])]);

let lanes: [Weir, Weir];
beforeAll(async () => {
  lanes = await startBoth();
  for (const weir of lanes) await send(weir, [submission(VALID, 'Idempotency-Key: key-1\r\n')], 1);
});
afterAll(async () => {
  await Promise.all(lanes.map((weir) => weir.stop('SIGKILL')));
});

const submission = (body: string, fields = '', path = '/production/async_predict'): string =>
  `POST ${path} HTTP/1.1\r\nHost: h\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

const VALID = '{"model_input":{"n":1}}';
const FULL = `{"webhook_endpoint":"http://localhost:9/hook","priority":2,"max_time_in_queue_seconds":60,"inference_retry_config":{"max_attempts":2,"initial_delay_ms":0,"max_delay_ms":1},"model_input":{"a":"\\u00e9"}}`;

/** What is sent, how many responses it gets, and the statuses of these. */
const CASES: [string, string, number[]][] = [
  ['a submission', submission(VALID), [201]],
  ['a submission with every field', submission(FULL), [201]],
  ['a submission that closes the connection', submission(VALID, 'Connection: close\r\n'), [201]],
  ['a body that is the input', submission('{"prompt":"\u00c3\u00a9"}'), [201]],
  ['a path with a query', submission(VALID, '', '/deployment/local/async_run_remote?x=1'), [201]],
  ['a path without a target', submission(VALID, '', '/async_predict'), [201]],
  ['an unknown target', submission(VALID, '', '/environments/nope/async_predict'), [404]],
  ['an idempotency key', submission(VALID, 'Idempotency-Key: \t key-1 \r\n'), [201]],
  ['two idempotency keys', submission(VALID, 'Idempotency-Key: a\r\nidempotency-key: b\r\n'), [201]],
  ['an empty idempotency key', submission(VALID, 'Idempotency-Key: \r\n'), [400]],
  ['a long idempotency key', submission(VALID, `Idempotency-Key: ${'k'.repeat(256)}\r\n`), [400]],
  ['a key that was used with another body', submission('{"other":1}', 'Idempotency-Key: key-1\r\n'), [422]],
  ['an empty body', submission(''), [400]],
  ['no JSON', submission('{"model_input":'), [400]],
  ['no object', submission('["a"]'), [400]],
  ['no UTF-8', submission('{"a":"\xff"}'), [400]],
  ['several mistakes', submission('{"model_input":1,"priority":9,"webhok_endpoint":"x"}'), [400]],
  ['a misspelt field', submission('{"model_inptu":{}}'), [400]],
  ['a private webhook', submission('{"model_input":{},"webhook_endpoint":"https://10.0.0.1/"}'), [400]],
  ['a body over the limit', submission(`{"model_input":{"x":"${'y'.repeat(400)}"}}`), [413]],
  [
    'a chunked body',
    `POST /async_predict HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n`,
    [201],
  ],
  ['no length', 'POST /async_predict HTTP/1.1\r\nHost: h\r\n\r\n', [400]],
  ['another method', 'GET /production/async_predict HTTP/1.1\r\nHost: h\r\n\r\n', [405]],
  ['an expectation', submission(VALID, 'Expect: 100-continue\r\n'), [100, 201]],
  [
    'a pipeline',
    submission(VALID) +
      submission('{') +
      'GET /async_request/nope HTTP/1.1\r\nHost: h\r\n\r\n' +
      submission('{"n":2}'),
    [201, 400, 404, 201],
  ],
];

/** Fields that Node's server adds, and that differ between any two responses. */
const INCIDENTAL = /^(?:date: |connection: keep-alive|keep-alive: |x-baseten-request-id: )/i;
const ID = /^x-baseten-request-id: (.*)$/im;

interface Comparable {
  readonly start: string;
  readonly lines: readonly string[];
  readonly body: string;
}

/** A response without ids and times. */
const comparable = ({ start, head, body }: Message): Comparable => ({
  start,
  lines: head
    .split('\r\n')
    .slice(1)
    .filter((line) => !INCIDENTAL.test(line))
    .map((line) => line.toLowerCase())
    .sort(),
  body: body.replaceAll(ID.exec(head)?.[1] ?? 'none', 'ID'),
});

/** Sends pieces to a weir and returns its responses. */
async function send({ port }: Weir, pieces: readonly string[], count: number): Promise<Message[]> {
  const { received } = await exchange(port, pieces, count);
  return readMessages(received).messages;
}

const statusesOf = (messages: readonly Message[]): number[] =>
  messages.map(({ start }) => Number(start.slice(9, 12)));

const SAME = [
  'protocol',
  'method',
  'path',
  'status',
  'cause',
  'request_bytes',
  'response_bytes',
  'attempts',
  'deployment',
  'environment',
  'detail',
];

/** The access-log lines of these responses, without ids and times. */
const expectRecords = (weir: Weir, messages: readonly Message[]): Promise<Record<string, unknown>[]> =>
  Promise.all(
    messages.flatMap(async ({ head }) => {
      const id = ID.exec(head)?.[1];
      if (id === undefined) return {};
      const line = await weir.expectExchange(id);
      return Object.fromEntries(SAME.map((name) => [name, line[name]]));
    }),
  );

describe('a client gets the same responses from both lanes, and weir has the same records, for', () => {
  it.each(CASES)('%s', async (_, text, statuses) => {
    const [fast, full] = await Promise.all(lanes.map((weir) => send(weir, [text], statuses.length)));
    expect(statusesOf(full!)).toEqual(statuses);
    expect(fast!.map(comparable)).toEqual(full!.map(comparable));
    const isCreated = ({ start }: Message) => start.includes(' 201 ');
    for (const { head, body } of fast!.filter(isCreated)) {
      expect(head).toMatch(/^date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/im);
      expect(JSON.parse(body)).toEqual({ request_id: ID.exec(head)![1] });
    }
    const [ofFast, ofFull] = await Promise.all([
      expectRecords(lanes[0], fast!),
      expectRecords(lanes[1], full!),
    ]);
    expect(ofFast).toEqual(ofFull);
  });
});

describe('the fast lane responds the same if it reads in two pieces', () => {
  it.each(CASES)('%s', async (_, text, statuses) => {
    const whole = (await send(lanes[1], [text], statuses.length)).map(comparable);
    const cuts = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
    while (cuts.length > 0)
      await Promise.all(
        cuts.splice(0, 16).map(async (at) => {
          const messages = await send(lanes[0], [text.slice(0, at), text.slice(at)], statuses.length);
          expect([at, messages.map(comparable)]).toEqual([at, whole]);
        }),
      );
  });
});

/** Sends the same requests one after the other to both lanes, and returns the statuses of both. */
async function expectSame([fast, full]: readonly [Weir, Weir], texts: readonly string[]): Promise<number[]> {
  const statuses: number[] = [];
  for (const text of texts) {
    const [one, other] = [await send(fast, [text], 1), await send(full, [text], 1)];
    expect(one.map(comparable)).toEqual(other.map(comparable));
    statuses.push(...statusesOf(one));
  }
  await Promise.all([fast.stop('SIGKILL'), full.stop('SIGKILL')]);
  return statuses;
}

const many = (count: number): string[] => Array.from({ length: count }, () => submission(VALID));

it('both lanes refuse submits above the rate alike', async () => {
  const both = await startBoth('--async-submit-rate=1');
  expect(
    await expectSame(both, [...many(2), submission('{'), submission(VALID, 'Idempotency-Key:\r\n')]),
  ).toEqual([201, 429, 429, 429]);
});

it('both lanes refuse submits to a full queue alike', async () => {
  expect(await expectSame(await startBoth('--async-max-tasks=2'), many(3))).toEqual([201, 201, 429]);
});

it('both lanes refuse submits alike if the store is full', async () => {
  const both = await startBoth('--async-max-store-bytes=1MiB', '--async-max-body=300000');
  const large = submission(JSON.stringify({ x: 'y'.repeat(250_000) }));
  expect(await expectSame(both, [large, large, large, large])).toEqual([201, 201, 507, 507]);
});

it('both lanes refuse submits alike if the store cannot be opened', async () => {
  const folders = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'weir-data-')));
  const both = (await Promise.all(
    folders.map((folder, i) => startWeir([...ARGS, `--data-dir=${folder}`, `--proxy-fast-lane=${i === 0}`])),
  )) as [Weir, Weir];
  for (const folder of folders) mkdirSync(join(folder, 'queue.sqlite'));
  expect(await expectSame(both, many(2))).toEqual([503, 503]);
});
