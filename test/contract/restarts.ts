// Restarts under load, with clients of every protocol: no client notices, and every request is recorded once.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { begin, call } from '../kit/client.ts';
import { callH2, closeH2Clients, openH2, type H2Response } from '../kit/h2-client.ts';
import { bodyOf, closeReplicas, startReplica } from '../kit/replica.ts';
import { endRestarts, Restarted } from '../kit/restarts.ts';
import { SteadyLoad } from '../kit/steady-load.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';

/** Short, so that old processes end soon after their last request. */
const IDLE = '--ingress-keep-alive-timeout=3s';

/** Ids of all recorded requests whose path begins with a text. */
async function recordedIds(admin: string, path: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ;) {
    const query = new URLSearchParams({
      q: `kind:request path:${path}*`,
      limit: '1000',
      ...(cursor && { cursor }),
    });
    const { text, status } = await call(admin, `/v1/logs?${query.toString()}`);
    expect(status, text).toBe(200);
    const page = JSON.parse(text) as { logs: { request_id: string }[]; cursor?: string };
    ids.push(...page.logs.map(({ request_id }) => request_id));
    if (page.cursor === undefined) return ids;
    ({ cursor } = page);
  }
}

/** Tests `restarts` restarts in a row. */
export function restartsContract(restarts: number): void {
  /** A busy machine takes seconds to start a process. */
  const TIMEOUT_MS = 60_000 + restarts * 20_000;
  afterEach(async () => {
    await endRestarts();
    await stopAll();
    closeH2Clients();
    await closeGrpc();
    await closeReplicas();
  });

  describe(`${restarts} restarts under load`, () => {
    it(
      'answers every request, keeps streams and WebSockets, and records each request once',
      async () => {
        let stream: ServerResponse | undefined;
        const tasks: string[] = [];
        const replica = await startReplica((req, res) => {
          if (req.url === '/stream') {
            stream = res;
            res.write('begin ');
          } else if (req.method === 'POST') {
            tasks.push(req.headers['x-baseten-request-id'] as string);
            setTimeout(() => res.end('{"done":true}'), 20);
          } else res.end(req.url);
        });
        const sockets = new WebSocketServer({ server: replica.server as never });
        sockets.on('connection', (socket) =>
          socket.on('message', (data: Buffer) => socket.send(`echo ${data.toString()}`)),
        );
        const restarted = await Restarted.start([`--replica=${replica.url}`, IDLE, '--async-keep-results']);
        const { weir } = restarted;

        const req = begin(weir.url, '/stream');
        req.end();
        const [streaming] = (await once(req, 'response')) as [IncomingMessage];
        const streamed = bodyOf(streaming);
        const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`);
        await once(socket, 'open');
        const say = async (text: string) => {
          socket.send(text);
          expect(String((await once(socket, 'message'))[0])).toBe(`echo ${text}`);
        };
        await say('before');

        const load = new SteadyLoad();
        for (let i = 0; i < 4; i++) load.get(weir.url, `kept${i}`, true, 10);
        for (let i = 0; i < 2; i++) load.get(weir.url, `fresh${i}`, false, 10);
        // A chunked request body of HTTP/1.1 with an Expect is for the full lane.
        load.get(weir.url, 'full', true, 10, { expect: '100-continue' });
        let session = await openH2(weir.url);
        const h2Get = async (path: string): Promise<H2Response> => {
          if (session.closed || session.destroyed) session = await openH2(weir.url);
          const response = await callH2(session, [':path', path]);
          // Node's client does not send a request that it began in the turn in which GOAWAY comes.
          return response.code === constants.NGHTTP2_REFUSED_STREAM ? h2Get(path) : response;
        };
        load.repeat('h2', 10, async (n) => {
          const path = `/echo/h2/${n}`;
          const response = await h2Get(path);
          if (response.status !== 200 || response.text !== path)
            throw new Error(`${response.status} ${response.text}`);
          load.ids.push(response.headers['x-baseten-request-id']!);
        });
        const submitted: string[] = [];
        load.repeat('async', 40, async () => {
          const { status, text } = await call(weir.url, '/production/async_predict', {
            method: 'POST',
            body: JSON.stringify({ model_input: { a: 1 } }),
          });
          if (status !== 201) throw new Error(`${status} ${text}`);
          submitted.push((JSON.parse(text) as { request_id: string }).request_id);
        });

        for (let i = 0; i < restarts; i++) {
          await sleep(200);
          await restarted.restart();
          await say(`after restart ${i}`);
          stream!.write(`${i} `);
        }
        await sleep(200);
        await load.stop();
        expect(load.problems).toEqual([]);
        expect(load.closed).toBeGreaterThan(0);

        socket.close();
        await once(socket, 'close');
        stream!.end('end');
        const numbers = Array.from({ length: restarts }, (_, i) => `${i} `).join('');
        expect((await streamed).toString()).toBe(`begin ${numbers}end`);
        session.close();
        await restarted.expectOldEnded(60_000);

        await until('every task has run', () => tasks.length >= submitted.length, 20_000);
        expect(tasks.sort()).toEqual(submitted.sort());
        const found = await until('every request is recorded', async () => {
          const ids = await recordedIds(weir.admin, '/echo/');
          return ids.length >= load.ids.length && ids;
        });
        expect(found.sort()).toEqual(load.ids.sort());
        expect(await recordedIds(weir.admin, '/stream')).toHaveLength(1);
        expect(await recordedIds(weir.admin, '/websocket')).toHaveLength(1);
      },
      TIMEOUT_MS,
    );

    it(
      'ends no gRPC call',
      async () => {
        const replica = await startGrpcReplica();
        const restarted = await Restarted.start([`--replica=${replica.url}`, IDLE]);
        const load = new SteadyLoad();
        const client = new TestClient(restarted.weir.port);
        for (let i = 0; i < 3; i++)
          load.repeat('unary', 10, async () => {
            const { responses, code } = await client.unary('unaryCall', { responseSize: 100 }).outcome;
            if (code !== 0 || responses.length !== 1) throw new Error(`code ${code}`);
          });
        const duplex = client.duplex();
        for (let i = 0; i < restarts; i++) {
          await sleep(200);
          await restarted.restart();
          duplex.call.write({ responseParameters: [{ size: 10 }] });
        }
        duplex.call.end();
        const { responses, code } = await duplex.outcome;
        expect(code).toBe(0);
        expect(responses).toHaveLength(restarts);
        await load.stop();
        expect(load.problems).toEqual([]);
        client.client.close();
        await restarted.expectOldEnded(60_000);
      },
      TIMEOUT_MS,
    );
  });
}
