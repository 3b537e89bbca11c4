// Body capture that both lanes share: which bodies are stored, how much of them, redacted, and invisible to the client.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AcceptedBy } from '../../src/core/exchange/step-listener.ts';
import { begin, call, RawClient, type ClientResponse } from '../kit/client.ts';
import { folder, removeFolders, write } from '../kit/folder.ts';
import { recordsIn, expectRequestRecord } from '../kit/stored-records.ts';
import { bodyOf, closeReplicas, startRawReplica, startReplica, onBody } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { ROOT, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const ID = 'x-baseten-request-id';
const idOf = ({ headers }: ClientResponse): string => String(headers[ID]);
const json = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const SECRET = 'sk-a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4';

/** `by`: the part of weir that accepts the requests with these arguments. */
export function captureContract(by: AcceptedBy, args: readonly string[]): void {
  let data: string;

  /** Starts weir with a configuration file. Its log store is in `data`. */
  const start = async (url: string, logs: object, ...more: string[]): Promise<Weir> => {
    const config = folder();
    write(config, { 'weir.yaml': JSON.stringify({ logs }) });
    const file = `${config}/weir.yaml`;
    return startWeir(['--replica', url, '--data-dir', data, '--config', file, ...args, ...more]);
  };

  beforeEach(() => {
    data = folder();
  });
  afterEach(async () => {
    await stopAll();
    await closeReplicas();
  });
  afterAll(removeFolders);

  describe(`body capture by the ${by}`, () => {
    const echo = () =>
      startReplica((req, res) => {
        void onBody(req, (body) => {
          const isCompressed = req.url!.includes('gzip');
          const response = Buffer.from(`${req.method} ${req.url} ${body.toString()}`);
          res.setHeader('content-type', 'text/plain');
          if (isCompressed) res.setHeader('content-encoding', 'gzip');
          res.end(isCompressed ? gzipSync(response) : response);
        });
      });

    it('stores the bodies of some requests of one connection, also when they are pipelined', async () => {
      const replica = await echo();
      const weir = await start(
        replica.url,
        { routes: [{ path: '/full/', capture: 'full' }] },
        ...args,
        '--log-level=debug',
      );
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const paths = ['/plain/1', '/plain/2', '/full/1', '/plain/3', '/full/2'];
      for (const path of paths) {
        const response = await call(weir.url, path, { ...json({ path }), agent });
        expect(response.text).toBe(`POST ${path} ${JSON.stringify({ path })}`);
        const record = await expectRequestRecord(data, idOf(response));
        expect(record.request).toBe(path.startsWith('/full/') ? JSON.stringify({ path }) : undefined);
      }
      agent.destroy();
      // Pipelined: the head of the captured request arrives together with the request before it.
      const raw = new RawClient(weir.port);
      const ask = (path: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi`;
      raw.send(ask('/plain/a') + ask('/full/b') + ask('/plain/c'));
      const received = await raw.expectReceived('POST /plain/c hi');
      expect(received.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
      expect(received.indexOf('/plain/a')).toBeLessThan(received.indexOf('POST /full/b'));
      raw.socket.destroy();
      const kept = await until('all three are stored', () => {
        const records = recordsIn(data).filter(({ fields }) => /[abc]$/.test(String(fields['path'])));
        return records.length === 3 && records;
      });
      expect(kept.filter(({ request }) => request !== undefined).map(({ fields }) => fields['path'])).toEqual(
        ['/full/b'],
      );
      // A captured request does not change the lane.
      const seen = weir.lines.filter(({ event }) => event === 'request accepted').map((line) => line['by']);
      expect(new Set(seen)).toEqual(new Set([by]));
    });

    it('stores bodies without chunk sizes, extensions and trailers, and shows them at the log API', async () => {
      const replica = await startRawReplica((socket) => {
        let seen = '';
        socket.on('data', (chunk) => {
          seen += chunk.toString('latin1');
          if (!seen.endsWith('0\r\nX-Sum: 1\r\n\r\n')) return;
          seen = '';
          socket.write(
            'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' +
              'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n' +
              '6;x=y\r\nanswer\r\n',
          );
          setImmediate(() => socket.write('3\r\n: 4\r\n1;z\r\n2\r\n0\r\nX-Check: 9\r\n\r\n'));
        });
      });
      const weir = await start(replica.url, { capture: 'full' });
      const raw = new RawClient(weir.port).send(
        'POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n4;a="b"\r\nask ',
      );
      for (const piece of ['\r\n3\r\nfo', 'r\r\n', '2\r\nit\r\n0\r\nX-Sum: 1\r\n\r\n']) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        raw.send(piece);
      }
      const id = /X-Baseten-Request-Id: (\w+)/i.exec(await raw.expectReceived('X-Check: 9\r\n\r\n'))![1]!;
      raw.socket.destroy();
      await expectRequestRecord(data, id);
      const { text } = await call(weir.admin, `/v1/logs/${id}`);
      expect(JSON.parse(text)).toMatchObject({
        request: { text: 'ask forit' },
        response: { text: 'answer: 42' },
        status: 200,
      });
    });

    it('stores large bodies whole, whatever pieces they come in', async () => {
      const replica = await echo();
      const weir = await start(replica.url, { capture: 'full', max_body: '1MiB' });
      const body = Array.from({ length: 60_000 }, (_, i) => `${i} `).join('');
      const plain = await call(weir.url, '/x', { method: 'POST', body });
      const req = begin(weir.url, '/x', { method: 'POST' });
      for (let at = 0; at < body.length; at += 30_000) req.write(body.slice(at, at + 30_000));
      req.end();
      const [chunked] = (await once(req, 'response')) as [IncomingMessage];
      expect((await bodyOf(chunked)).toString()).toBe(plain.text);
      for (const { headers } of [plain, chunked]) {
        const record = await expectRequestRecord(data, String(headers[ID]));
        expect(record.request === body).toBe(true);
        expect(record.response === plain.text).toBe(true);
      }
    });

    it('stores no response where there is none: HEAD, 204, 304, and an error of weir itself', async () => {
      const replica = await startReplica((req, res) => {
        const status = Number(req.url!.slice(1));
        if (status === 0) req.socket.destroy();
        else if (req.method === 'HEAD') res.writeHead(200, { 'content-length': 5 }).end();
        else res.writeHead(status).end();
      });
      const weir = await start(replica.url, { capture: 'full' });
      for (const [method, path, status] of [
        ['HEAD', '/200', 200],
        ['POST', '/204', 204],
        ['POST', '/304', 304],
        ['POST', '/0', 502],
      ] as const) {
        const body = method === 'POST' ? 'asked' : undefined;
        const response = await call(weir.url, path, body === undefined ? { method } : { method, body });
        expect(response.status).toBe(status);
        const record = await expectRequestRecord(data, idOf(response));
        expect([path, record.request, record.response]).toEqual([path, body, undefined]);
        expect(record.fields).not.toHaveProperty('response_body');
      }
    });

    it('stores the whole request if the response begins before its end', async () => {
      const replica = await startReplica((req, res) => {
        res.writeHead(200, { 'content-type': 'text/plain' }).write('early ');
        void onBody(req, (body) => res.end(`late ${body.length}`));
      });
      const weir = await start(replica.url, { capture: 'full' });
      const raw = new RawClient(weir.port).send(
        'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\none',
      );
      await raw.expectReceived('early ');
      raw.send('two');
      await new Promise((resolve) => setTimeout(resolve, 20));
      raw.send('end');
      const id = /X-Baseten-Request-Id: (\w+)/i.exec(await raw.expectReceived('late 9'))![1]!;
      raw.socket.destroy();
      expect(await expectRequestRecord(data, id)).toMatchObject({
        request: 'onetwoend',
        response: 'early late 9',
      });
    });

    it('stores what came of a response that its replica breaks off', async () => {
      const replica = await startReplica((_, res) => {
        res.writeHead(200, { 'content-type': 'text/plain', 'content-length': 100 });
        res.write('half', () => setTimeout(() => res.destroy(), 50));
      });
      const weir = await start(replica.url, { capture: 'full' });
      const raw = new RawClient(weir.port).send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
      const id = /X-Baseten-Request-Id: (\w+)/i.exec(await raw.expectClosed())![1]!;
      const record = await expectRequestRecord(data, id);
      expect(record).toMatchObject({ request: undefined, response: 'half' });
      expect(record.fields).toMatchObject({ cause: 'reset_midway', response_bytes: 4 });
    });

    it('stores the bodies of a client that waits for 100 Continue, and none if it sends x-portkey-debug: false', async () => {
      const replica = await echo();
      const weir = await start(replica.url, { capture: 'full' });
      const fields = ['Expect: 100-continue', 'x-PortKey-debug:\tFALSE', 'X-Portkey-Debug: true'];
      const stored = [];
      for (const field of fields) {
        const raw = new RawClient(weir.port).send(
          `POST /x HTTP/1.1\r\nHost: x\r\n${field}\r\nContent-Length: 2\r\n\r\n`,
        );
        if (field.startsWith('Expect')) await raw.expectReceived('HTTP/1.1 100 Continue\r\n\r\n');
        const received = await raw.send('hi').expectReceived('POST /x hi');
        raw.socket.destroy();
        const record = await expectRequestRecord(data, /X-Baseten-Request-Id: (\w+)/i.exec(received)![1]!);
        stored.push([record.request, record.response]);
      }
      expect(stored).toEqual([
        ['hi', 'POST /x hi'],
        [undefined, undefined],
        ['hi', 'POST /x hi'],
      ]);
    });

    it('decompresses bodies, redacts secrets, and cuts long bodies', async () => {
      const replica = await echo();
      const weir = await start(replica.url, { capture: 'full', max_body: '1KiB' });
      const compressed = await call(weir.url, '/gzip', { ...json({ token: SECRET }) });
      const record = await expectRequestRecord(data, idOf(compressed));
      expect(record.response).toMatch(/^POST \/gzip \{"token":/);
      for (const text of [record.request, record.response]) expect(text).not.toContain(SECRET);
      const long = await call(weir.url, '/long', { method: 'POST', body: 'x'.repeat(500_000) });
      expect(long.body.length).toBe(500_000 + 'POST /long '.length);
      const cut = await expectRequestRecord(data, idOf(long));
      expect(cut.fields).toMatchObject({ request_body: 'cut', response_body: 'cut', request_bytes: 500_000 });
      expect(cut.request).toHaveLength(1024);
      expect(cut.response).toHaveLength(1024);
    });

    it('stores no record of a route that is off, and partial bodies of a client that disconnects', async () => {
      const replica = await startReplica((req, res) => {
        if (req.url === '/hangs') res.writeHead(200, { 'content-type': 'text/plain' }).write('so far');
        else res.end('ok');
      });
      const weir = await start(
        replica.url,
        { capture: 'full', routes: [{ path: '/health', capture: 'off' }] },
        ...args,
      );
      const silent = await call(weir.url, '/health');
      const raw = new RawClient(weir.port).send(
        'POST /hangs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf',
      );
      await raw.expectReceived('so far');
      raw.socket.destroy();
      const left = await until('the request of the client that disconnected is stored', () =>
        recordsIn(data).find(({ fields }) => fields['path'] === '/hangs'),
      );
      expect(left).toMatchObject({ request: 'half', response: 'so far' });
      expect(left.fields['cause']).toBe('client_gone');
      expect(recordsIn(data).some(({ requestId }) => requestId === idOf(silent))).toBe(false);
    });

    it('stores a retried request once, with the response that the client got', async () => {
      let asked = 0;
      const replica = await startReplica((req, res) => {
        void onBody(req, (body) => {
          if (++asked === 1) res.writeHead(503).end('not now');
          else res.end(`fine: ${body.toString()}`);
        });
      });
      const weir = await start(replica.url, { capture: 'full' }, '--proxy-retry-methods=POST');
      const response = await call(weir.url, '/x', { method: 'POST', body: 'once' });
      expect(response.text).toBe('fine: once');
      const record = await expectRequestRecord(data, idOf(response));
      expect(record).toMatchObject({ request: 'once', response: 'fine: once' });
      expect(record.fields).toMatchObject({ attempts: 2, retries: 1 });
    });

    it('stores a stream that reports an error after its 200 with level ERROR, and error searches find it', async () => {
      const file = readFileSync(`${ROOT}/test/fixtures/streams/sse_error_mid.resp`, 'latin1');
      const stream = file.slice(file.indexOf('\r\n\r\n') + 4);
      const replica = await startReplica((req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        // Without the last blank line.
        if (req.url === '/breaks') res.write(stream.slice(0, -3), () => res.destroy());
        else if (req.url === '/fine')
          res.end('data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}');
        else res.end(stream);
      });
      const weir = await start(replica.url, { capture: 'full' });
      for (const path of ['/error', '/breaks', '/fine']) {
        const raw = new RawClient(weir.port).send(
          `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
        );
        await raw.expectClosed();
      }
      const fine = await until(
        'all three are stored',
        () =>
          recordsIn(data, 'kind:request').length === 3 &&
          recordsIn(data, 'kind:request').find(({ fields }) => fields['path'] === '/fine'),
      );
      // The last event counts even if no blank line follows.
      expect(fine).toMatchObject({ severity: 9, fields: { input_tokens: 1 } });
      for (const query of ['level>=error', '"engine died"', 'response_error:"engine died"']) {
        const paths = recordsIn(data, `kind:request ${query}`).map(({ fields }) => fields['path']);
        expect([query, new Set(paths)]).toEqual([query, new Set(['/breaks', '/error'])]);
      }
      const [error] = recordsIn(data, 'path:/error');
      expect(error).toMatchObject({ status: 200, message: 'POST /error 200 stream error: engine died' });
      expect(error!.fields).toMatchObject({ response_error_type: 'internal_error', is_assembled: false });
    });

    it('stores only the one route whose capture is on', async () => {
      const replica = await echo();
      const weir = await start(
        replica.url,
        { capture: 'off', routes: [{ path: '/kept', capture: 'full' }] },
        ...args,
      );
      const ids = [];
      for (const path of ['/a', '/kept/b', '/c']) ids.push(idOf(await call(weir.url, path)));
      expect(await expectRequestRecord(data, ids[1]!)).toMatchObject({ response: 'GET /kept/b ' });
      // Requests are stored in order: once this one is stored, the others would be too.
      const last = idOf(await call(weir.url, '/kept/d'));
      await expectRequestRecord(data, last);
      expect(recordsIn(data).map(({ requestId }) => requestId)).toEqual([ids[1], last]);
      expect((await weir.page()).value('weir_log_bodies_skipped_total')).toBe(0);
    });

    it('does not change the bytes that the client gets', async () => {
      const pieces = ['data: {"a":1}\n\n', 'data: {"b":', '2}\n\ndata: [DONE]\n\n'];
      const replica = await startReplica((req, res) => {
        void onBody(req, (body) => {
          res.sendDate = false;
          res.writeHead(200, { 'content-type': 'text/event-stream', 'x-echo': body.toString() });
          for (const piece of pieces.slice(0, -1)) res.write(piece);
          if (req.url === '/breaks') res.write(pieces.at(-1)!, () => res.destroy());
          else res.end(pieces.at(-1));
        });
      });
      const weirs = [
        await start(replica.url, { capture: 'metadata' }),
        await (async () => {
          data = folder();
          return start(replica.url, { capture: 'full', max_body: '1KiB' });
        })(),
      ];
      const incidental = /^(?:x-baseten-request-id|server-timing|date): .*\r\n/gim;
      const bodies = ['', '5\r\nhello\r\n0\r\n\r\n'];
      for (const path of ['/', '/breaks', '/?q=1'])
        for (const body of bodies) {
          const framing = body === '' ? '' : 'Transfer-Encoding: chunked\r\n';
          const outcomes = [];
          for (const weir of weirs) {
            const raw = new RawClient(weir.port);
            raw.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}\r\n${body}`);
            outcomes.push((await raw.expectClosed()).replaceAll(incidental, ''));
          }
          expect(outcomes[1]).toBe(outcomes[0]);
          expect(outcomes[0]).toContain('HTTP/1.1 200');
        }
    });
  });
}
