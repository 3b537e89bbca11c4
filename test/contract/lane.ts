// The behaviour that both lanes share: transparency, streaming, cancellation, limits, causes, metrics. One suite, run for
// each lane.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, type RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { begin, call, RawClient } from '../kit/client.ts';
import {
  bodyOf,
  headerValues,
  mirror,
  startRawReplica,
  startReplica,
  onBody,
  type Replica,
  type SeenRequest,
} from '../kit/replica.ts';
import { unusedAddress } from '../kit/port.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const ID = /^[0-9a-f]{37}$/;
const MIB = 1024 * 1024;
const fixture = (name: string) => new URL(`../fixtures/${name}`, import.meta.url);

const toLocal = (status: string) => `status_code="${status}",is_async="false"`;

/** What stands in front of weir. `stand` is called with every weir of the suite once it listens. */
interface Front {
  readonly proto: 'http' | 'https';
  /** Requests come to weir over HTTP/2, which has neither reasons nor malformed lines. */
  readonly isHttp2?: boolean;
  stand(weir: Weir): Promise<void>;
}

const NOTHING: Front = { proto: 'http', stand: async () => undefined };

/** In place of `it` for what HTTP/2 does not have. */
const NO_TEST = Object.assign(() => undefined, { each: () => () => undefined }) as unknown as typeof it;

/** How the replica speaks. */
interface Behind {
  readonly start: (
    handler: RequestListener,
  ) => Promise<Pick<Replica, 'url' | 'connections' | 'open' | 'close'>>;
  /** HTTP/2 has no reason phrases. */
  readonly hasReasons: boolean;
}

const HTTP1: Behind = { start: startReplica, hasReasons: true };

/** `behind`: the protocol of the replica with a handler. The one with a script speaks HTTP/1.1. */
export function laneContract(
  name: string,
  args: string[],
  front: Front = NOTHING,
  behind: Behind = HTTP1,
): void {
  const isHttp2 = front.isHttp2 === true;
  const inHttp1 = isHttp2 ? NO_TEST : it;
  describe(`${name}: HTTP requests`, () => {
    let handler: RequestListener;
    let script: (socket: Socket) => void;
    let http: Awaited<ReturnType<Behind['start']>>;
    let raw: Replica;
    let weir: Weir;
    /** The same with small limits and short timeouts. */
    let strict: Weir;

    beforeAll(async () => {
      http = await behind.start((req, res) => handler(req, res));
      raw = await startRawReplica((socket) => script(socket));
      const dead = await unusedAddress();
      const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
      // Probes connect to the raw replica too; a day between them keeps them out of the scripts.
      writeFileSync(
        file,
        `deployments:
  - { id: local, replicas: [{ url: "${http.url}" }] }
  - { id: raw, environment: raw, replicas: [{ url: "${raw.url}" }] }
  - { id: dead, environment: dead, max_queue: 0, replicas: [{ url: "${dead.url}" }] }
pool: { probe_interval: 1d }
`,
      );
      script = () => undefined;
      [weir, strict] = await Promise.all([
        startWeir(['--config', file, ...args]),
        startWeir([
          '--config',
          file,
          '--proxy-max-body=1MiB',
          '--proxy-first-byte-timeout=300ms',
          '--proxy-idle-timeout=600ms',
          '--proxy-total-timeout=3s',
          '--ingress-header-timeout=500ms',
          '--ingress-max-header=8KiB',
          ...args,
        ]),
      ]);
      await Promise.all([front.stand(weir), front.stand(strict)]);
    });

    beforeEach(() => {
      handler = mirror;
      script = () => undefined;
    });

    afterAll(async () => {
      await Promise.all([weir.stop('SIGKILL'), strict.stop('SIGKILL')]);
      await Promise.all([http.close(), raw.close()]);
    });

    const toRaw = '/deployment/raw/sync';

    describe('transparency', () => {
      it('keeps method, path, query and body as they are', async () => {
        const body = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'QUERY']) {
          const headers = { 'content-length': '256' };
          const response = await call(weir.url, '/a/../b//c?x=%2F&y=a?b', { method, headers, body });
          const seen = JSON.parse(response.text) as SeenRequest;
          expect(seen).toMatchObject({
            method,
            url: '/a/../b//c?x=%2F&y=a?b',
            body: body.toString('latin1'),
          });
        }
      });

      it('keeps the headers of the client, duplicates and order of values included', async () => {
        const response = await call(weir.url, '/', {
          headers: ['Host', 'model.example:8443', 'X-A', '1', 'x-a', '2', 'Cookie', 'a=1', 'X-Empty', ''],
        });
        const { headers } = JSON.parse(response.text) as SeenRequest;
        expect(headerValues(headers, 'host')).toEqual(['model.example:8443']);
        expect(headerValues(headers, 'x-a')).toEqual(['1', '2']);
        expect(headerValues(headers, 'cookie')).toEqual(['a=1']);
        expect(headerValues(headers, 'x-empty')).toEqual(['']);
      });

      it('removes hop-by-hop headers and those that Connection names, but never the framing', async () => {
        const response = await call(weir.url, '/', {
          method: 'POST',
          headers: {
            connection: 'keep-alive, X-Secret-Hop, Content-Length, Host',
            'keep-alive': 'timeout=5',
            'proxy-connection': 'keep-alive',
            'x-secret-hop': '1',
            te: 'gzip;q=0.5, trailers',
            'content-length': '3',
          },
          body: 'abc',
        });
        const { headers, body } = JSON.parse(response.text) as SeenRequest;
        for (const name of ['keep-alive', 'proxy-connection', 'x-secret-hop'])
          expect(headerValues(headers, name)).toEqual([]);
        expect(headerValues(headers, 'te')).toEqual(['trailers']);
        expect(headerValues(headers, 'host')).toHaveLength(1);
        expect(body).toBe('abc');
      });

      it('sends the address of the client to the replica', async () => {
        const plain = JSON.parse(
          (await call(weir.url, '/', { headers: { host: 'm.example' } })).text,
        ) as SeenRequest;
        expect(headerValues(plain.headers, 'x-forwarded-for')).toEqual(['127.0.0.1']);
        expect(headerValues(plain.headers, 'x-forwarded-proto')).toEqual([front.proto]);
        expect(headerValues(plain.headers, 'x-forwarded-host')).toEqual(['m.example']);
        expect(headerValues(plain.headers, 'forwarded')).toEqual([
          `for=127.0.0.1;host=m.example;proto=${front.proto}`,
        ]);
        const behind = JSON.parse(
          (
            await call(weir.url, '/', {
              headers: {
                'x-forwarded-for': '10.0.0.7',
                'x-forwarded-proto': 'https',
                forwarded: 'for=10.0.0.7',
              },
            })
          ).text,
        ) as SeenRequest;
        expect(headerValues(behind.headers, 'x-forwarded-for')).toEqual(['10.0.0.7, 127.0.0.1']);
        expect(headerValues(behind.headers, 'x-forwarded-proto')).toEqual(['https']);
        expect(headerValues(behind.headers, 'forwarded')[0]).toMatch(/^for=10\.0\.0\.7, for=127\.0\.0\.1;/);
      });

      it('gives the client, the replica and the log the same request id', async () => {
        const response = await call(weir.url, '/', { headers: { 'x-baseten-request-id': 'mine' } });
        const { headers } = JSON.parse(response.text) as SeenRequest;
        const id = response.headers['x-baseten-request-id'];
        expect(id).toMatch(ID);
        expect(headerValues(headers, 'x-baseten-request-id')).toEqual([id]);
        expect(await weir.expectExchange(id as string)).toMatchObject({
          status: 200,
          cause: 'ok',
          method: 'GET',
          path: '/',
        });
      });

      it('sends the request id as X-Request-Id too, unless the client sent its own', async () => {
        const ownId = async (headers: Record<string, string>) => {
          const response = await call(weir.url, '/', { headers });
          const seen = headerValues((JSON.parse(response.text) as SeenRequest).headers, 'x-request-id');
          return { seen, id: response.headers['x-baseten-request-id'] };
        };
        const { seen, id } = await ownId({});
        expect(seen).toEqual([id]);
        expect((await ownId({ 'x-request-id': 'mine' })).seen).toEqual(['mine']);
        const named = await ownId({ 'X-Request-ID': 'mine', connection: 'keep-alive, x-request-id' });
        expect(named.seen).toEqual([named.id]);
      });

      it('keeps a valid traceparent, and sends none if it is missing or invalid', async () => {
        const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
        for (const sent of [valid, 'junk', undefined]) {
          const response = await call(weir.url, '/', { headers: sent ? { traceparent: sent } : {} });
          const passed = headerValues((JSON.parse(response.text) as SeenRequest).headers, 'traceparent');
          expect(passed).toEqual(sent === valid ? [valid] : []);
        }
      });

      it('sends the status, reason, headers and body of the replica to the client', async () => {
        handler = (_, res) => {
          res.writeHead(418, 'Short and stout', [
            'Set-Cookie',
            'a=1',
            'Set-Cookie',
            'b=2',
            'X-Model',
            'm',
            'X-BASETEN-REQUEST-ID',
            'theirs',
          ]);
          res.end('tea');
        };
        const response = await call(weir.url, '/');
        const hasReason = behind.hasReasons && !isHttp2;
        const reason = hasReason ? 'Short and stout' : "I'm a Teapot";
        expect(response).toMatchObject({ status: 418, reason, text: 'tea' });
        expect(headerValues(response.rawHeaders, 'set-cookie')).toEqual(['a=1', 'b=2']);
        expect(headerValues(response.rawHeaders, 'x-model')).toEqual(['m']);
        expect(headerValues(response.rawHeaders, 'x-baseten-request-id')).toHaveLength(1);
        expect(response.headers['x-baseten-request-id']).toMatch(ID);
        expect(response.headers['server-timing']).toMatch(/^queue;dur=[\d.]+, replica;dur=[\d.]+$/);
      });

      it('sends responses that have no body', async () => {
        handler = (req, res) => {
          if (req.method === 'HEAD') res.writeHead(200, { 'content-length': '1000' });
          else res.writeHead(req.url === '/304' ? 304 : 204);
          res.end();
        };
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        expect(await call(weir.url, '/', { method: 'HEAD', agent })).toMatchObject({ status: 200, text: '' });
        expect(await call(weir.url, '/204', { agent })).toMatchObject({ status: 204, text: '' });
        expect(await call(weir.url, '/304', { agent })).toMatchObject({ status: 304, text: '' });
        expect(await call(weir.url, '/', { method: 'HEAD', agent })).toMatchObject({ status: 200, text: '' });
        agent.destroy();
      });

      it('passes on a response that ends with its connection', async () => {
        script = (socket) =>
          socket.once('data', () =>
            socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it'),
          );
        expect(await call(weir.url, `${toRaw}/x`)).toMatchObject({ status: 200, text: 'all of it' });
      });

      it('passes on trailers in both directions', async () => {
        handler = (req, res) => {
          void onBody(req, () => {
            res.writeHead(200, { trailer: 'x-sum' });
            res.write(String(req.trailers['x-digest']));
            res.addTrailers({ 'x-sum': '42' });
            res.end();
          });
        };
        const req = begin(weir.url, '/', {
          method: 'POST',
          headers: { trailer: 'x-digest', te: 'trailers' },
        });
        req.write('body');
        req.addTrailers({ 'x-digest': 'abc' });
        req.end();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        expect((await bodyOf(res)).toString()).toBe('abc');
        expect(res.trailers).toEqual({ 'x-sum': '42' });
      });

      it('passes on early hints before the response', async () => {
        handler = (_, res) => {
          res.writeEarlyHints({ link: '</style.css>; rel=preload' });
          res.end('done');
        };
        const req = begin(weir.url, '/');
        const hints: unknown[] = [];
        req.on('information', (info) => hints.push([info.statusCode, info.headers['link']]));
        req.end();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        expect((await bodyOf(res)).toString()).toBe('done');
        expect(hints).toEqual([[103, '</style.css>; rel=preload']]);
      });

      it('responds to Expect: 100-continue itself and passes on the body', async () => {
        const req = begin(weir.url, '/', {
          method: 'POST',
          headers: { expect: '100-continue', 'content-length': '4' },
        });
        req.flushHeaders();
        await once(req, 'continue');
        req.end('body');
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        const seen = JSON.parse((await bodyOf(res)).toString()) as SeenRequest;
        expect(seen.body).toBe('body');
        expect(headerValues(seen.headers, 'expect')).toEqual([]);
      });

      inHttp1('serves HTTP/1.0', async () => {
        const client = new RawClient(weir.port).send('GET /old HTTP/1.0\r\nHost: x\r\n\r\n');
        const received = await client.expectClosed();
        expect(received).toMatch(/^HTTP\/1\.[01] 200 /);
        expect(received).toContain('"url":"/old"');
        expect(received.toLowerCase()).not.toContain('transfer-encoding');
      });

      inHttp1('serves a target in absolute form and uses its host', async () => {
        const client = new RawClient(weir.port).send(
          'GET http://model.example/abs?q=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n',
        );
        const seen = JSON.parse(/\{.*\}/s.exec(await client.expectClosed())![0]) as SeenRequest;
        expect(seen.url).toBe('/abs?q=1');
        expect(headerValues(seen.headers, 'host')).toEqual(['model.example']);
      });
    });

    describe('routing', () => {
      it('forwards run_remote to the predict path, and passes on a preflight', async () => {
        const predict = '/v1/models/model:predict';
        for (const target of ['', '/deployment/local'])
          for (const [method, word] of [
            ['POST', 'predict'],
            ['POST', 'run_remote'],
            ['OPTIONS', 'predict'],
            ['OPTIONS', 'run_remote'],
          ] as const) {
            const response = await call(weir.url, `${target}/${word}`, { method });
            expect(JSON.parse(response.text), `${method} ${target}/${word}`).toMatchObject({
              method,
              url: predict,
            });
          }
        const preflight = readFileSync(fixture('http/preflight_predict.http'), 'latin1')
          .replace('/production/', '/deployment/local/')
          .replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
        handler = (req, res) => {
          const allowed = req.headers['access-control-request-headers'];
          res.writeHead(204, { 'access-control-allow-headers': allowed }).end();
        };
        const received = await new RawClient(weir.port).send(preflight).expectClosed();
        expect(received).toMatch(/^HTTP\/1\.1 204 [^]*\r\naccess-control-allow-headers: content-type\r\n/i);
      });

      it.each([
        ['/deployment/nope/run_remote', 'unknown_target'],
        ['/environments/nope/anything', 'unknown_target'],
        ['/deployment/local/v1/models', 'unknown_route'],
        ['/deployment/local', 'unknown_route'],
        ['//deployment/raw/predict', 'unknown_route'],
        ['/x/../deployment/raw/predict', 'unknown_route'],
        ['/%64eployment/raw/predict', 'unknown_route'],
      ])('responds 404 to %s with any method, and sends it to no replica', async (path, cause) => {
        let requests = 0;
        handler = (_, res) => {
          requests++;
          res.end();
        };
        for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'QUERY']) {
          const response = await call(weir.url, path, { method });
          expect([method, response.status, response.headers['x-weir-cause']]).toEqual([method, 404, cause]);
        }
        expect(requests).toBe(0);
      });
    });

    describe('streaming', () => {
      it('sends every event to the client before the replica sends the next one', async () => {
        let next: (text: string) => void = () => undefined;
        let end: () => void = () => undefined;
        handler = (_, res) => {
          res.writeHead(200, { 'content-type': 'text/event-stream' });
          res.flushHeaders();
          next = (text) => res.write(text);
          end = () => res.end();
        };
        const req = begin(weir.url, '/');
        req.end();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        let received = '';
        res.on('data', (chunk: Buffer) => (received += chunk.toString()));
        for (let i = 0; i < 20; i++) {
          next(`data: ${i}\n\n`);
          await until(`event ${i} has arrived`, () => received.endsWith(`data: ${i}\n\n`));
        }
        end();
        await once(res, 'end');
        expect(res.complete).toBe(true);
      });

      it('transfers both directions at once', async () => {
        handler = (req, res) => {
          res.writeHead(200);
          res.flushHeaders();
          req.on('data', (chunk: Buffer) => res.write(chunk.toString().toUpperCase()));
          req.on('end', () => res.end());
        };
        const req = begin(weir.url, '/', { method: 'POST' });
        req.flushHeaders();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        let received = '';
        res.on('data', (chunk: Buffer) => (received += chunk.toString()));
        for (const word of ['one ', 'two ', 'three ']) {
          req.write(word);
          await until(`${word} has come back`, () => received.endsWith(word.toUpperCase()));
        }
        req.end();
        await once(res, 'end');
        expect(received).toBe('ONE TWO THREE ');
      });

      it('transfers large bodies whole, and counts their bytes', async () => {
        const size = 20 * MIB;
        handler = (req, res) => {
          let got = 0;
          req.on('data', (chunk: Buffer) => (got += chunk.length));
          req.on('end', () => res.end(Buffer.alloc(got, 'y')));
        };
        const response = await call(weir.url, '/', { method: 'POST', body: Buffer.alloc(size, 'x') });
        expect(response.body.length).toBe(size);
        expect(response.body.every((byte) => byte === 0x79)).toBe(true);
        expect(await weir.expectExchange(response.headers['x-baseten-request-id'] as string)).toMatchObject({
          request_bytes: size,
          response_bytes: size,
        });
      });

      it('passes on large uploads that come at the same time, each byte for byte', async () => {
        handler = (req, res) =>
          void (async () => {
            const hash = createHash('sha256');
            for await (const chunk of req) {
              hash.update(chunk as Buffer);
              // Slower than the client, so that bytes wait in weir.
              await new Promise((resolve) => void setTimeout(resolve, 1));
            }
            res.end(hash.digest('hex'));
          })();
        const bodies = Array.from({ length: 6 }, (_, i) => randomBytes(3 * MIB + 1000 * i));
        const responses = await Promise.all(
          bodies.map((body) => call(weir.url, '/', { method: 'POST', body })),
        );
        expect(responses.map(({ body }) => body.toString())).toEqual(
          bodies.map((body) => createHash('sha256').update(body).digest('hex')),
        );
      });

      it('pauses a fast replica in bounded memory while the client does not read', async () => {
        let sent = 0;
        handler = (_, res) => {
          res.writeHead(200);
          const fill = () => {
            while (!res.destroyed && sent < 256 * MIB) {
              sent += MIB;
              if (!res.write(Buffer.alloc(MIB))) return void res.once('drain', fill);
            }
          };
          fill();
        };
        const before = weir.residentBytes();
        const client = new RawClient(weir.port);
        client.socket.pause();
        client.send('GET /flood HTTP/1.1\r\nHost: x\r\n\r\n');
        let last = -1;
        await until('the replica is paused', async () => {
          if (sent > 0 && sent === last) return true;
          last = sent;
          await new Promise((resolve) => setTimeout(resolve, 200));
          return false;
        });
        expect(sent).toBeLessThan(64 * MIB);
        expect(weir.residentBytes() - before).toBeLessThan(64 * MIB);
        client.socket.destroy();
        await until('the request to the replica is over', () => http.open === 0);
      });

      it('pauses a fast client while the replica does not read', async () => {
        script = (socket) => socket.pause();
        const client = new RawClient(weir.port);
        client.send(`POST ${toRaw}/slow HTTP/1.1\r\nHost: x\r\nContent-Length: ${90 * MIB}\r\n\r\n`);
        let sent = 0;
        let isBlocked = false;
        while (sent < 80 * MIB && !isBlocked) {
          sent += MIB;
          if (!client.socket.write(Buffer.alloc(MIB)))
            isBlocked = await Promise.race([
              once(client.socket, 'drain').then(() => false),
              new Promise<true>((resolve) => setTimeout(resolve, 1000, true)),
            ]);
        }
        expect(isBlocked).toBe(true);
        client.socket.destroy();
      });
    });

    describe('kept connections', () => {
      it('serves many requests over one connection on each side', async () => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        await call(weir.url, '/', { agent });
        const before = http.connections;
        for (let i = 0; i < 10; i++) expect((await call(weir.url, `/${i}`, { agent })).status).toBe(200);
        expect(http.connections).toBe(before);
        agent.destroy();
      });

      it('responds to pipelined requests in order', async () => {
        const get = (n: number) => `GET /n${n} HTTP/1.1\r\nHost: x\r\n\r\n`;
        const client = new RawClient(weir.port).send(get(1) + get(2) + get(3));
        await client.expectReceived('"/n3"');
        const order = [...client.received.matchAll(/"url":"\/n(\d)"/g)].map((match) => match[1]);
        expect(order).toEqual(['1', '2', '3']);
        client.socket.destroy();
      });

      it('sends a request again when the replica has closed the kept connection', async () => {
        const bodies: string[] = [];
        script = (socket) => {
          let received = '';
          let served = 0;
          socket.on('data', (chunk) => {
            // The first request gets a response; the second finds the connection closing, as after its idle timeout.
            if (served > 0) return void socket.destroy();
            received += chunk.toString();
            const [, body] = received.split('\r\n\r\n');
            if (!body?.endsWith('!')) return;
            served++;
            bodies.push(body);
            socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          });
        };
        // Head and body apart, as many clients send them.
        const apart = new RawClient(weir.port).send(
          `POST ${toRaw}/again HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n`,
        );
        await until('the replica has the head', () => raw.connections > 0);
        apart.send('zero!');
        await apart.expectReceived('\r\n\r\nok');
        apart.socket.destroy();
        for (const body of ['first!', 'second!'])
          expect(await call(weir.url, `${toRaw}/again`, { method: 'POST', body })).toMatchObject({
            status: 200,
            text: 'ok',
          });
        expect(bodies).toEqual(['zero!', 'first!', 'second!']);
      });
    });

    describe('when the client leaves', () => {
      const gone = async (what: string, before: number) => {
        await until('the request to the replica is over', () => http.open === 0);
        await until(
          `${what} is counted as 499`,
          async () =>
            (await weir.page()).value(`baseten_inference_requests_total{${toLocal('499')}}`) === before + 1,
        );
        await weir.expectMetric('baseten_concurrent_requests', 0);
        await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
      };
      const count499 = async () =>
        (await weir.page()).value(`baseten_inference_requests_total{${toLocal('499')}}`) ?? 0;

      it('ends the request to the replica before the first byte of the response', async () => {
        const before = await count499();
        handler = () => undefined;
        const client = new RawClient(weir.port).send(
          'POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
        );
        await until('the replica has the request', () => http.open === 1);
        await weir.expectMetric('baseten_concurrent_requests', 1);
        client.socket.destroy();
        await gone('it', before);
        const line = await weir.expectLine('it', (l) => l.event === 'exchange' && l['path'] === '/wait');
        expect(line).toMatchObject({ status: 499, cause: 'client_gone', first_byte_ms: null });
      });

      it('ends the request to the replica after a large body, before the response', async () => {
        const before = await count499();
        let isRead = false;
        handler = (req) => void onBody(req, () => (isRead = true));
        const client = new RawClient(weir.port).send(
          `POST /think HTTP/1.1\r\nHost: x\r\nContent-Length: ${4 * MIB}\r\n\r\n`,
        );
        client.send(Buffer.alloc(4 * MIB));
        await until('the replica has the whole body', () => isRead);
        client.socket.destroy();
        await gone('it', before);
      });

      it('ends the request to the replica in the middle of a stream', async () => {
        const before = await count499();
        handler = (_, res) => {
          res.writeHead(200);
          const timer = setInterval(() => res.write('token '), 5);
          res.on('close', () => clearInterval(timer));
        };
        const client = new RawClient(weir.port).send('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
        await client.expectReceived('token');
        client.socket.destroy();
        await gone('it', before);
      });

      it('ends the request to the replica in the middle of an upload', async () => {
        const before = await count499();
        handler = (req) => req.resume();
        const client = new RawClient(weir.port).send(
          'POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome',
        );
        await until('the replica has the request', () => http.open === 1);
        client.socket.destroy();
        await gone('it', before);
      });
    });

    describe('failures', () => {
      const expectFailure = async (
        response: { status: number; headers: IncomingMessage['headers']; text: string },
        status: number,
        cause: string,
        errorCode: string,
        of = weir,
      ) => {
        const id = response.headers['x-baseten-request-id'] as string;
        expect(response.status).toBe(status);
        expect(id).toMatch(ID);
        expect(response.headers['x-weir-cause']).toBe(cause);
        expect(JSON.parse(response.text)).toEqual({
          error: expect.any(String),
          error_code: errorCode,
          request_id: id,
        });
        expect(response.text).not.toMatch(/ at |node:|127\.0\.0\.1/);
        expect(await of.expectExchange(id)).toMatchObject({ status, cause });
      };

      it('responds 503 model_unavailable if the replica refuses connections and max_queue is 0', async () => {
        await expectFailure(
          await call(weir.url, '/deployment/dead/predict', { method: 'POST', body: '{}' }),
          503,
          'no_replica',
          'model_unavailable',
        );
      });

      it('responds 502 model_unavailable if the replica closes before it responds', async () => {
        script = (socket) => socket.once('data', () => socket.destroy());
        await expectFailure(await call(weir.url, `${toRaw}/x`), 502, 'reset_midway', 'model_unavailable');
      });

      it('responds 502 model_unavailable if the replica does not respond with HTTP', async () => {
        script = (socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
        await expectFailure(await call(weir.url, `${toRaw}/x`), 502, 'bad_response', 'model_unavailable');
      });

      it('responds 502 if the response has both Content-Length and Transfer-Encoding', async () => {
        script = (socket) =>
          socket.once('data', () =>
            socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
          );
        await expectFailure(await call(weir.url, `${toRaw}/x`), 502, 'bad_response', 'model_unavailable');
      });

      it('responds 504 timeout if the replica does not respond in time', async () => {
        handler = () => undefined;
        await expectFailure(await call(strict.url, '/x'), 504, 'first_byte_timeout', 'timeout', strict);
        await until('the request to the replica is over', () => http.open === 0);
      });

      it('breaks the connection to the client if the replica stops in the middle of its response', async () => {
        handler = (_, res) => {
          res.writeHead(200, { 'content-type': 'text/plain' });
          res.write('half');
        };
        const req = begin(strict.url, '/x');
        req.end();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        await expect(bodyOf(res)).rejects.toThrow('aborted');
        const id = res.headers['x-baseten-request-id'] as string;
        expect(await strict.expectExchange(id)).toMatchObject({
          status: 504,
          cause: 'idle_timeout',
          response_bytes: 4,
        });
      });

      it('breaks the connection to the client if the replica closes in the middle of its response', async () => {
        for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
          script = (socket) =>
            socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n4\r\nhalf\r\n`));
          const req = begin(weir.url, `${toRaw}/x`);
          req.end();
          const [res] = (await once(req, 'response')) as [IncomingMessage];
          await expect(bodyOf(res)).rejects.toThrow('aborted');
          const id = res.headers['x-baseten-request-id'] as string;
          expect(await weir.expectExchange(id)).toMatchObject({ status: 502, cause: 'reset_midway' });
        }
      });

      it('ends a request at total_timeout although bytes still flow', async () => {
        handler = (_, res) => {
          res.writeHead(200);
          const timer = setInterval(() => res.write('.'), 20);
          res.on('close', () => clearInterval(timer));
        };
        const req = begin(strict.url, '/x');
        req.end();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        await expect(bodyOf(res)).rejects.toThrow('aborted');
        expect(await strict.expectExchange(res.headers['x-baseten-request-id'] as string)).toMatchObject({
          cause: 'total_timeout',
        });
      });

      it('does not end a stream with progress at first_byte_timeout or idle_timeout', async () => {
        handler = (_, res) => {
          res.writeHead(200);
          let sent = 0;
          const timer = setInterval(
            () => (++sent > 15 ? (clearInterval(timer), res.end()) : res.write('.')),
            100,
          );
        };
        expect((await call(strict.url, '/x')).text).toHaveLength(15);
      });

      it('responds 408 if the client stops sending its body', async () => {
        const client = new RawClient(strict.port).send(
          'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf',
        );
        expect(await client.expectClosed()).toMatch(
          /^HTTP\/1\.1 408 [\s\S]*request_timeout[\s\S]*client_error/,
        );
      });

      it('ends a request whose client stops reading, with the cause client_stalled', async () => {
        handler = (_, res) => {
          res.writeHead(200);
          const fill = () => {
            while (!res.destroyed) if (!res.write(Buffer.alloc(MIB))) return void res.once('drain', fill);
          };
          fill();
        };
        const client = new RawClient(strict.port);
        client.socket.pause();
        client.send('GET /stalled HTTP/1.1\r\nHost: x\r\n\r\n');
        const line = await strict.expectLine('the stalled exchange', (l) => l['path'] === '/stalled');
        expect(line).toMatchObject({ status: 499, cause: 'client_stalled' });
        client.socket.destroy();
      });

      it('responds 413 to a Content-Length over the limit, and sends nothing to the replica', async () => {
        let requests = 0;
        handler = (req, res) => (requests++, mirror(req, res));
        const req = begin(strict.url, '/x', {
          method: 'POST',
          headers: { 'content-length': 1024 * 1024 + 1 + '' },
        });
        req.flushHeaders();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        const text = (await bodyOf(res)).toString();
        await expectFailure(
          { status: res.statusCode!, headers: res.headers, text },
          413,
          'too_large',
          'payload_too_large',
          strict,
        );
        expect(requests).toBe(0);
        req.destroy();
      });

      it('responds 413 to a chunked body over the limit, and ends the request to the replica', async () => {
        handler = (req) => req.resume();
        const req = begin(strict.url, '/x', { method: 'POST' });
        for (let i = 0; i < 5; i++) req.write(Buffer.alloc(256 * 1024));
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        const text = (await bodyOf(res)).toString();
        await expectFailure(
          { status: res.statusCode!, headers: res.headers, text },
          413,
          'too_large',
          'payload_too_large',
          strict,
        );
        await until('the request to the replica is over', () => http.open === 0);
        req.destroy();
      });

      it('serves a body of exactly the limit', async () => {
        handler = (req, res) => void onBody(req, (body) => res.end(String(body.length)));
        const response = await call(strict.url, '/x', { method: 'POST', body: Buffer.alloc(MIB) });
        expect(response).toMatchObject({ status: 200, text: String(MIB) });
      });

      it('responds 431 to a head over the limit', async () => {
        const response = await call(strict.url, '/x', { headers: { 'x-long': 'x'.repeat(9000) } });
        await expectFailure(response, 431, 'headers_too_large', 'client_error', strict);
      });

      inHttp1('responds 408 to a head that does not end, and serves other clients meanwhile', async () => {
        const slow = new RawClient(strict.port).send('GET /slow HTTP/1.1\r\nHost: x\r\nX-');
        expect((await call(strict.url, '/quick')).status).toBe(200);
        expect(await slow.expectClosed()).toMatch(/^HTTP\/1\.1 408 [\s\S]*request_timeout/);
      });

      inHttp1.each([
        ['no HTTP at all', 'SSH-2.0-client\r\n\r\n'],
        ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
        ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
        ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello'],
        ['a folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n'],
        [
          'both framings',
          'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        ],
        ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
        ['a length with a sign', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello'],
        [
          'an unknown coding last',
          'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
        ],
        [
          'a chunked body in HTTP/1.0',
          'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        ],
        [
          'a look-alike of a framing header',
          'POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n',
        ],
        ['a control character in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\u0007b\r\n\r\n'],
        ['HTTP/2.0 in the request line', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
        ['a bare target', 'GET foo HTTP/1.1\r\nHost: a\r\n\r\n'],
        ['an asterisk for GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
        ['a bad chunk size', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
      ])('responds 400 to malformed input (%s), and sends nothing to the replica', async (_, bytes) => {
        let served = 0;
        handler = (req, res) => void onBody(req, () => (served++, res.end()));
        const client = new RawClient(weir.port).send(bytes);
        const received = await client.expectClosed();
        expect(received).toMatch(/^HTTP\/1\.1 400 [\s\S]*"error_code":"client_error"/);
        expect(received).toMatch(/X-Baseten-Request-Id: [0-9a-f]{37}/i);
        expect(served).toBe(0);
      });

      inHttp1('responds 405 to CONNECT', async () => {
        const client = new RawClient(weir.port).send('CONNECT db.internal:5432 HTTP/1.1\r\nHost: db\r\n\r\n');
        expect(await client.expectClosed()).toMatch(/^HTTP\/1\.1 405 /);
      });

      it('responds 404 model_does_not_exist to an unknown deployment or environment', async () => {
        for (const path of ['/deployment/nope/predict', '/environments/nope/sync/x', '/development/predict'])
          await expectFailure(
            await call(weir.url, path, { method: 'POST', body: '{}' }),
            404,
            'unknown_target',
            'model_does_not_exist',
          );
      });

      it('passes on error responses of the replica unchanged', async () => {
        handler = (_, res) => {
          res.writeHead(500, { 'content-type': 'text/plain', 'x-baseten-error-code': '600' });
          res.end('Traceback (most recent call last)');
        };
        const response = await call(weir.url, '/');
        expect(response).toMatchObject({ status: 500, text: 'Traceback (most recent call last)' });
        expect(response.headers['x-weir-cause']).toBeUndefined();
        expect(response.headers['x-baseten-error-code']).toBe('600');
        expect(await weir.expectExchange(response.headers['x-baseten-request-id'] as string)).toMatchObject({
          status: 500,
          cause: 'ok',
        });
      });

      it('passes on a response that comes before the upload has ended', async () => {
        handler = (_, res) => {
          res.writeHead(413, { 'content-length': '8' });
          res.end('too much');
        };
        const req = begin(weir.url, '/early', {
          method: 'POST',
          headers: { 'content-length': 50 * MIB + '' },
        });
        req.on('error', () => undefined);
        req.write(Buffer.alloc(MIB));
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        expect(res.statusCode).toBe(413);
        expect((await bodyOf(res)).toString()).toBe('too much');
        req.destroy();
        await weir.expectMetric('baseten_concurrent_requests', 0);
      });
    });

    it('counts every exchange exactly, with sizes and times', async () => {
      handler = (req, res) => void onBody(req, () => res.end('x'.repeat(300)));
      const before = await weir.page();
      const series = (family: string) => `${family}{${toLocal('200')}}`;
      await Promise.all(
        Array.from({ length: 40 }, () => call(weir.url, '/count', { method: 'POST', body: 'y'.repeat(100) })),
      );
      await weir.expectMetric(
        series('baseten_inference_requests_total'),
        (before.value(series('baseten_inference_requests_total')) ?? 0) + 40,
      );
      const after = await weir.page();
      const grown = (name: string) => after.value(series(name))! - (before.value(series(name)) ?? 0);
      expect(grown('baseten_request_size_bytes_sum')).toBe(4000);
      expect(grown('baseten_response_size_bytes_sum')).toBe(12000);
      for (const family of [
        'baseten_end_to_end_response_time_seconds',
        'baseten_time_to_first_byte_seconds',
      ]) {
        expect(grown(`${family}_count`)).toBe(40);
        expect(grown(`${family}_sum`)).toBeGreaterThan(0);
      }
      expect(grown('baseten_end_to_end_response_time_seconds_sum')).toBeGreaterThanOrEqual(
        grown('baseten_time_to_first_byte_seconds_sum'),
      );
    });
  });
}
