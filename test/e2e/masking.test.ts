// Personal data is masked before anything is on the disk: no byte of the data folder has a card number of a prompt,
// whatever way it came.
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders, write } from '../kit/folder.ts';
import { search } from '../kit/log-api.ts';
import { bodyOf, closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { bytesIn } from '../kit/stored-bytes.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

/** Digits that every form of the number has, and no mask. */
const CARD = '4111111111111111';
const GROUPS = '4111 1111 1111 1111';
const JSON_TYPE = { 'content-type': 'application/json' };

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const allBytes = (data: string): Buffer => Buffer.concat([...bytesIn(data).values()]);

const delta = (content: string): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] })}\n\n`;

/** A model that streams the number in pieces, or sends it in one body, by the path. */
const startModel = (): Promise<Replica> =>
  startReplica(async (req, res) => {
    await bodyOf(req);
    if (req.url === '/v1/chat/completions') {
      res.setHeader('content-type', 'text/event-stream');
      for (const piece of ['your card 41', '11 11', '11 1111 ', '1111 is']) res.write(delta(piece));
      res.end('data: [DONE]\n\n');
    } else if (req.url === '/events') {
      res.setHeader('content-type', 'text/event-stream');
      for (const piece of ['411111', '1111', '111111']) res.write(`data: ${JSON.stringify({ piece })}\n\n`);
      res.end();
    } else {
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ note: `mark-response ${GROUPS}` }));
    }
  });

async function start(logs: object, data: string, url: string): Promise<Weir> {
  const config = folder();
  write(config, { 'weir.yaml': JSON.stringify({ logs: { capture: 'full', ...logs } }) });
  return startWeir(['--replica', url, '--data-dir', data, '--config', `${config}/weir.yaml`]);
}

const post = (
  url: string,
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = JSON_TYPE,
) => call(url, path, { method: 'POST', headers, body });

it.each(['SIGKILL', 'SIGTERM'] as const)(
  'keeps a card number of a prompt off the disk, also after %s',
  async (signal) => {
    const model = await startModel();
    const data = folder();
    const weir = await start({ mask: ['card', 'email'], max_body: '2KiB' }, data, model.url);
    const { url, admin } = weir;
    const ask = (text: string): string =>
      JSON.stringify({ messages: [{ role: 'user', content: `mark-ask ${text}` }] });
    await post(url, '/plain', ask(GROUPS));
    await post(url, '/number', JSON.stringify({ mark: 'mark-number', card: Number(CARD) }));
    await post(url, '/escaped', ask('X').replace('X', '4111\\u00201111\\u00201111\\u00201111'));
    await post(url, '/nested', JSON.stringify({ text: ask(CARD) }));
    await post(url, '/gzip', gzipSync(ask(CARD)), { ...JSON_TYPE, 'content-encoding': 'gzip' });
    await post(url, '/form', `note=mark-form&card=${CARD}`, {
      'content-type': 'application/x-www-form-urlencoded',
    });
    // The number is where the body is cut.
    for (let before = 2010; before < 2050; before += 4)
      await post(url, '/cut', ask(`${'x'.repeat(before)} ${GROUPS}`));
    await post(url, '/cut', ask('4111 1111 1111 1111 ann@example.com '.repeat(100)));
    await post(url, '/v1/chat/completions', ask(GROUPS));
    await post(url, '/events', ask('events'));
    await sendInPieces(url, ask(GROUPS));
    await post(admin, '/v1/logs', JSON.stringify({ message: `mark-posted ${GROUPS}` }), {
      'content-type': 'application/x-ndjson',
    });
    await until(
      'everything is stored',
      async () => (await search({ url: admin }, { limit: '100' })).logs.length >= 21,
    );
    const [chat] = (await search({ url: admin }, { q: 'path:/v1/chat/completions' })).logs;
    const stored = await call(admin, `/v1/logs/${String(chat!['request_id'])}`);
    expect(stored.text).toContain('your card [card] is');
    const [events] = (await search({ url: admin }, { q: 'path:/events' })).logs;
    expect(events!['attributes']).toMatchObject({ response_body: 'unmaskable' });
    const metrics = (await call(admin, '/metrics')).text;
    expect(metrics).toMatch(/weir_log_masked_values_total\{rule="card"\} \d+/);
    expect(metrics).toContain('weir_log_bodies_unmaskable_total 1');
    await weir.stop(signal);
    const bytes = allBytes(data);
    for (const mark of ['ask', 'number', 'form', 'response', 'posted'])
      expect(bytes.includes(`mark-${mark}`)).toBe(true);
    for (const part of [CARD, '1111 1111', '11111111', '1111\\u00201111', 'ann@'])
      expect(bytes.includes(part)).toBe(false);
  },
);

/** Sends a chunked body whose chunks end within the number. */
async function sendInPieces(url: string, body: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(
    'POST /chunked HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
  );
  for (let at = 0; at < body.length; at += 7) {
    const piece = body.slice(at, at + 7);
    socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    await new Promise((resolve) => void setTimeout(resolve, 1));
  }
  socket.end('0\r\n\r\n');
  socket.resume();
  await once(socket, 'close');
}

it('masks the bodies of each route by its own rules', async () => {
  const model = await startModel();
  const data = folder();
  const routes = [
    { path: '/a', mask: 'email' },
    { path: '/b', mask: 'none' },
  ];
  const { url, admin } = await start({ mask: 'card', routes }, data, model.url);
  const bodies: Record<string, string> = {};
  for (const path of ['/a', '/b', '/c']) {
    const { headers } = await post(url, path, JSON.stringify({ text: `ann@example.com ${GROUPS}` }));
    const id = String(headers['x-baseten-request-id']);
    await until('it is stored', async () => (await call(admin, `/v1/logs/${id}`)).status === 200);
    bodies[path] = (await call(admin, `/v1/logs/${id}`)).text;
  }
  expect(bodies['/a']).toContain(`[email] ${GROUPS}`);
  expect(bodies['/b']).toContain(`ann@example.com ${GROUPS}`);
  expect(bodies['/c']).toContain('ann@example.com [card]');
});

it('drops and hashes values at paths, with one hash for equal values, also after a restart', async () => {
  const model = await startModel();
  const data = folder();
  const logs = {
    mask_paths: [{ path: '$.user.name' }, { path: '$..mail', action: 'hash' }],
  };
  const ask = { user: { name: 'mark-name', mail: 'x@y' }, list: [{ mail: 'x@y' }, { mail: 'other' }] };
  const hashes: string[] = [];
  for (let run = 0; run < 2; run++) {
    const { url, admin } = await start(logs, data, model.url);
    const { headers } = await post(url, '/a', JSON.stringify(ask));
    const broken = await post(url, '/a', '{"user": {"name": "mark-name"]}');
    const record = async ({ headers: of }: { headers: typeof headers }): Promise<string> => {
      const path = `/v1/logs/${String(of['x-baseten-request-id'])}`;
      await until('it is stored', async () => (await call(admin, path)).status === 200);
      return (await call(admin, path)).text;
    };
    const text = await record({ headers });
    const found = text.match(/hash:[0-9a-f]{32}/g)!.slice(0, 3);
    expect(text).toContain('[dropped]');
    expect(text).not.toContain('mark-name');
    expect(found[0]).toBe(found[1]);
    expect(found[0]).not.toBe(found[2]);
    hashes.push(found[0]!);
    expect(await record(broken)).toContain('"request_body":"unmaskable"');
    await stopAll();
  }
  expect(hashes[0]).toBe(hashes[1]);
  expect(allBytes(data).includes('mark-name')).toBe(false);
});
