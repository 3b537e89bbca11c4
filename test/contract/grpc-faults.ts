// gRPC failures: deadlines, cancellation, faulty replicas, the wait queue, drain.
import { status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CALL_HEAD,
  closeH2,
  frame,
  H2Socket,
  hpack,
  respondStatus,
  startH2Replica,
  startFrameReplica,
} from '../kit/h2.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { closeGrpc, startGrpcReplica, TestClient, type Message } from '../kit/test-service.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { until } from '../kit/until.ts';
import { stopAll, type Weir } from '../kit/weir.ts';
import { startWith, type Http2Library } from '../kit/http2-library.ts';

/** Runs the cases for one implementation of HTTP/2. */
export function grpcFaultsContract(library: Http2Library): void {
  const startWeir = startWith(library);
  describe('gRPC failures, on HTTP/2 of ' + library, () => {
    const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
    const ID = /^[0-9a-f]{37}$/;

    afterEach(async () => {
      await stopAll();
      await closeGrpc();
      await closeReplicas();
      closeH2();
      removeFolders();
    });

    /** Waits until no call is in flight at weir or at the replica. */
    async function expectNoCalls(weir: Weir): Promise<void> {
      await weir.expectMetric('baseten_concurrent_requests', 0);
      await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
    }

    const RAW_HEAD = [':status', '200', 'content-type', 'application/grpc'];
    const RESPONSE_HEAD = [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ] as const;
    const CALL = [':method', 'POST', ':path', '/x.Y/Z', 'content-type', 'application/grpc'];

    /** An HTTP/2 client that accepts unusual headers. */
    function bareClient(port: number): ClientHttp2Session {
      const lax: object = { strictSingleValueFields: false, maxHeaderListPairs: 2000 };
      return connect(`http://127.0.0.1:${port}`, lax);
    }

    const held = () => {
      let release: () => void = () => undefined;
      const promise = new Promise<void>((resolve) => (release = resolve));
      return { promise, release: () => release() };
    };

    describe('a deadline', () => {
      it('is passed to the replica minus the time in the wait queue', async () => {
        const replica = await startGrpcReplica();
        const weir = await startWeir(['--replica', replica.url, '--deployment-concurrency-target=1']);
        const client = new TestClient(weir.port);
        const first = held();
        replica.hold = first.promise;
        const one = client.unary('unaryCall');
        await until('the replica has the first call', () => replica.calls === 1);
        const deadline = Date.now() + 20_000;
        const two = client.unary('unaryCall', {}, { options: { deadline } });
        await weir.expectMetric('baseten_concurrent_requests', 2);
        replica.hold = undefined;
        first.release();
        expect((await two.outcome).code).toBe(status.OK);
        expect((await one.outcome).code).toBe(status.OK);
        expect(Number(replica.deadlines[1])).toBeLessThanOrEqual(deadline + 1000);
        expect(Number(replica.deadlines[1])).toBeGreaterThan(deadline - 5000);
        expect(replica.deadlines[0]).toBe(Infinity);
      });

      it('is enforced by weir if the client does not, with trailers and metrics', async () => {
        const replica = await startH2Replica(() => undefined);
        const weir = await startWeir(['--replica', replica.url]);
        const session = connect(weir.url);
        const call = session.request({
          ':method': 'POST',
          ':path': '/x.Y/Z',
          'content-type': 'application/grpc',
          'grpc-timeout': '200m',
        });
        const headers = await new Promise<Record<string, string>>((resolve) => call.on('response', resolve));
        expect(headers).toMatchObject({
          'grpc-status': '4',
          'grpc-message': 'The deadline that the client set has passed',
          'x-weir-cause': 'deadline_exceeded',
        });
        expect(await weir.expectExchange(headers['x-baseten-request-id'])).toMatchObject({
          protocol: 'grpc',
          status: 4,
          cause: 'deadline_exceeded',
        });
        await until('the replica’s stream is reset', () => replica.codes.includes(8));
        session.destroy();
        await expectNoCalls(weir);
      });

      it('is counted as deadline_exceeded if the client enforces it, not as a client that left', async () => {
        const replica = await startGrpcReplica();
        replica.hold = new Promise(() => undefined);
        const weir = await startWeir(['--replica', replica.url]);
        const { outcome } = new TestClient(weir.port).unary(
          'unaryCall',
          {},
          { options: { deadline: Date.now() + 300 } },
        );
        expect((await outcome).code).toBe(status.DEADLINE_EXCEEDED);
        const line = await weir.expectLine('the end of the call', ({ event }) => event === 'exchange');
        expect(line).toMatchObject({ status: 4, cause: 'deadline_exceeded' });
      });
    });

    describe('a client that cancels', () => {
      it('leaves the wait queue at once', async () => {
        const replica = await startGrpcReplica();
        const weir = await startWeir(['--replica', replica.url, '--deployment-concurrency-target=1']);
        const client = new TestClient(weir.port);
        const first = held();
        replica.hold = first.promise;
        const one = client.unary('unaryCall');
        await until('the replica has the first call', () => replica.calls === 1);
        const two = client.unary('unaryCall', { payload: { body: Buffer.alloc(200_000) } });
        await weir.expectMetric('baseten_concurrent_requests', 2);
        two.call.cancel();
        await weir.expectMetric('baseten_concurrent_requests', 1);
        expect(
          await weir.expectLine(
            'the cancelled call',
            ({ event, cause }) => event === 'exchange' && cause === 'client_gone',
          ),
        ).toMatchObject({ status: 1, attempts: 0 });
        first.release();
        expect((await one.outcome).code).toBe(status.OK);
        expect(replica.calls).toBe(1);
        await expectNoCalls(weir);
      });

      it('cancels all its calls by losing its connection', async () => {
        const replica = await startGrpcReplica();
        replica.hold = new Promise(() => undefined);
        const weir = await startWeir(['--replica', replica.url]);
        const socket = new H2Socket(weir.port);
        for (const stream of [1, 3, 5]) socket.socket.write(frame(1, 4, stream, CALL_HEAD));
        await weir.expectMetric('baseten_concurrent_requests', 3);
        socket.socket.destroy();
        await expectNoCalls(weir);
      });
    });

    describe('a client whose process has ended', () => {
      // The operating system then closes the connection normally if all was read, and resets it otherwise.
      it.each(['end', 'resetAndDestroy'] as const)('has its calls cancelled: %s', async (how) => {
        const replica = await startH2Replica((stream) => stream.resume());
        const weir = await startWeir(['--replica', replica.url]);
        const socket = new H2Socket(weir.port);
        socket.socket.write(Buffer.concat([frame(1, 4, 1, CALL_HEAD), frame(0, 0, 1, Buffer.alloc(10))]));
        await until('the replica has the call', () => replica.streams === 1);
        // The client has read all that weir sent: its settings, and the acknowledgement of the client's settings.
        await until(
          'weir has acknowledged the settings',
          () => socket.frames.filter(({ type }) => type === 4).length === 2,
        );
        socket.socket[how]();
        expect(
          await weir.expectLine('the end of the call', ({ event }) => event === 'exchange'),
        ).toMatchObject({
          status: 1,
          cause: 'client_gone',
        });
        await until('the replica’s stream is reset', () => replica.codes.includes(8));
        await expectNoCalls(weir);
      });
    });

    describe('a gRPC replica', () => {
      const endings: [string, Parameters<typeof startH2Replica>[0], number, string, string][] = [
        [
          'a reset with INTERNAL_ERROR',
          (s) => s.close(2),
          status.INTERNAL,
          'reset_midway',
          'The replica reset the stream (INTERNAL_ERROR)',
        ],
        [
          'a reset with ENHANCE_YOUR_CALM',
          (s) => s.close(11),
          status.RESOURCE_EXHAUSTED,
          'reset_midway',
          'The replica reset the stream (ENHANCE_YOUR_CALM)',
        ],
        [
          'a cancelled stream',
          (s) => s.close(8),
          status.CANCELLED,
          'reset_midway',
          'The replica reset the stream (CANCEL)',
        ],
        [
          'an HTML page with 200',
          (s) => s.respond({ ':status': 200, 'content-type': 'text/html' }, { endStream: true }),
          status.UNKNOWN,
          'bad_response',
          'The replica responded with HTTP 200 (content-type text/html) without grpc-status',
        ],
        [
          'a grpc-message without a grpc-status',
          (s) => s.respond({ ...HEADERS, 'grpc-message': 'out of %F0%9F%90%8F' }, { endStream: true }),
          status.UNKNOWN,
          'bad_response',
          'The replica responded without grpc-status; its grpc-message: out of 🐏',
        ],
        [
          'trailers with a grpc-message without a grpc-status',
          (s) => {
            s.respond(HEADERS, { waitForTrailers: true });
            s.on('wantTrailers', () => s.sendTrailers({ 'grpc-message': 'cuda' }));
            s.end();
          },
          status.UNKNOWN,
          'bad_response',
          'The replica ended the call without grpc-status; its grpc-message: cuda',
        ],
        ['a lost connection', (s) => s.session!.destroy(), status.UNAVAILABLE, 'reset_midway', ''],
        [
          'HTTP 503',
          (s) => s.respond({ ':status': 503, 'content-type': 'text/html' }, { endStream: true }),
          status.UNAVAILABLE,
          'bad_response',
          'The replica responded with HTTP 503 without grpc-status',
        ],
        [
          'HTTP 404 with a page',
          (s) => {
            s.respond({ ':status': 404, 'content-type': 'text/html' });
            s.end('<h1>no</h1>');
          },
          status.UNIMPLEMENTED,
          'bad_response',
          'The replica responded with HTTP 404 without grpc-status',
        ],
        [
          'an end without a grpc-status',
          (s) => {
            s.respond(HEADERS);
            s.end();
          },
          status.UNKNOWN,
          'bad_response',
          'The replica ended the call without grpc-status',
        ],
        [
          'an end in the middle of a message',
          (s) => {
            s.respond(HEADERS);
            s.write(Buffer.from([0, 0, 0, 0, 9, 1]), () => s.session!.destroy());
          },
          status.UNAVAILABLE,
          'reset_midway',
          '',
        ],
        ['an unknown status', (s) => respondStatus(s, 99), status.UNKNOWN, 'ok', ''],
      ];

      it.each(endings)('fails a call with a status and its id: %s', async (_, serve, code, cause, detail) => {
        const replica = await startH2Replica(serve);
        const weir = await startWeir(['--replica', replica.url]);
        const outcome = await new TestClient(weir.port).unary('unaryCall').outcome;
        if (cause !== 'ok') expect(outcome.code).toBe(code);
        expect(outcome.id).toMatch(ID);
        const line = await weir.expectExchange(outcome.id);
        expect(line).toMatchObject({ status: code, cause, attempts: 1 });
        if (detail !== '') expect(line).toMatchObject({ detail });
        if (detail !== '') expect(outcome.details).toBe(detail);
        await expectNoCalls(weir);
      });

      const scope = library === 'weir' ? 'only its own call' : 'every call of the connection';
      it(`fails ${scope} with the reason if a trailer exceeds 64 KiB`, async () => {
        const replica = await startFrameReplica((stream) => {
          // The first response is to the health check.
          if (answered++ === 0) return frame(1, 5, stream, hpack(...RESPONSE_HEAD, ['grpc-status', '12']));
          if (answered === 2) return frame(1, 4, stream, hpack(...RESPONSE_HEAD));
          // A literal of 70,000 bytes: its length is an HPACK integer with a prefix of 7 bits (RFC 7541 5.1).
          const value = Buffer.concat([Buffer.from([0x7f, 0xf1, 0xa1, 0x04]), Buffer.alloc(70_000, 'x')]);
          const name = Buffer.concat([Buffer.from([0, 12]), Buffer.from('grpc-message')]);
          const block = Buffer.concat([hpack(...RESPONSE_HEAD, ['grpc-status', '13']), name, value]);
          const parts = [0, 1, 2, 3, 4].map((at) => block.subarray(at * 16_384, (at + 1) * 16_384));
          return Buffer.concat(
            parts.map((part, at) =>
              frame(at === 0 ? 1 : 9, (at === 0 ? 1 : 0) | (at === 4 ? 4 : 0), stream, part),
            ),
          );
        });
        let answered = 0;
        const weir = await startWeir(['--replica', replica.url]);
        const client = new TestClient(weir.port);
        const other = client.output({ responseParameters: [] });
        await new Promise((resolve) => other.call.once('metadata', resolve));
        const { code, details } = await client.unary('emptyCall').outcome;
        if (library === 'weir') {
          expect([code, details]).toEqual([
            status.INTERNAL,
            'The replica sent initial metadata of more than 64 KiB',
          ]);
          // The health check has a connection of its own.
          expect(replica.connections).toBe(2);
          other.call.cancel();
          expect((await other.outcome).code).toBe(status.CANCELLED);
          return expectNoCalls(weir);
        }
        expect(code).toBe(status.UNAVAILABLE);
        expect(details).toContain('a header or trailer larger than 64 KiB');
        expect((await other.outcome).code).toBe(status.UNAVAILABLE);
        return expectNoCalls(weir);
      });

      it('refuses every attempt, and the client gets the reason', async () => {
        const replica = await startH2Replica((stream) => stream.close(7));
        const weir = await startWeir(['--replica', replica.url, '--proxy-retry-connect-attempts=2']);
        const { code, details, id } = await new TestClient(weir.port).unary('unaryCall').outcome;
        expect([code, details]).toEqual([
          status.UNAVAILABLE,
          'The replica reset the stream (REFUSED_STREAM)',
        ]);
        const line = await weir.expectExchange(id);
        expect(line).toMatchObject({ status: 14, cause: 'reset_midway', detail: details });
        expect(line['attempts']).toBe(2);
        await expectNoCalls(weir);
      });

      it('refuses a stream, and another replica gets the call', async () => {
        const busy = await startH2Replica((stream) => stream.close(7));
        const free = await startH2Replica((stream) => respondStatus(stream, 0));
        const weir = await startWeir(['--replica', busy.url, '--replica', free.url]);
        const client = new TestClient(weir.port);
        for (let i = 0; i < 4; i++) {
          const { id } = await client.unary('emptyCall').outcome;
          expect(await weir.expectExchange(id)).toMatchObject({ status: 0, cause: 'ok', replica: 'r1' });
        }
        expect(busy.streams).toBeGreaterThan(0);
        expect(free.streams).toBe(4);
      });

      it('finishes its running call after GOAWAY, and the next call gets a new connection', async () => {
        let first: Parameters<Parameters<typeof startH2Replica>[0]>[0] | undefined;
        const replica = await startH2Replica((stream) => {
          if (first !== undefined) return respondStatus(stream, 0);
          first = stream;
          stream.session!.close();
          return undefined;
        });
        const weir = await startWeir(['--replica', replica.url]);
        const client = new TestClient(weir.port);
        const one = client.unary('emptyCall');
        await until('the replica has the first call', () => first !== undefined);
        // The GOAWAY is sent before this call.
        const two = await client.unary('emptyCall').outcome;
        expect(await weir.expectExchange(two.id)).toMatchObject({ status: 0, cause: 'ok' });
        respondStatus(first!, 5);
        expect((await one.outcome).code).toBe(5);
        await expectNoCalls(weir);
      });

      it('gets more connections if it accepts one stream at a time', async () => {
        const open = new Set<object>();
        const replica = await startH2Replica(
          (stream) => {
            open.add(stream);
            if (open.size === 3) for (const one of open) respondStatus(one as typeof stream, 0);
          },
          { maxConcurrentStreams: 1 },
        );
        const weir = await startWeir(['--replica', replica.url]);
        const client = new TestClient(weir.port);
        const calls = [1, 2, 3].map(() => client.unary('emptyCall').outcome);
        for (const { id } of await Promise.all(calls))
          expect(await weir.expectExchange(id)).toMatchObject({ status: 0, cause: 'ok' });
      });

      describe('with unusual metadata', () => {
        const pages: [string, (readonly [string, string])[]][] = [
          ['an HTTP/1 header', [['http2-settings', 'x']]],
          [
            'a duplicate of a header that HTTP has once',
            [
              ['age', '1'],
              ['age', '2'],
            ],
          ],
        ];
        it.each(pages)('responds with %s, and weir continues', async (_, metadata) => {
          let count = 0;
          const replica = await startFrameReplica((stream) => {
            // The first response is to the health check.
            const more = count++ === 0 ? [] : metadata;
            return frame(1, 5, stream, hpack(...RESPONSE_HEAD, ['grpc-status', '12'], ...more));
          });
          const weir = await startWeir(['--replica', replica.url]);
          const { code, id } = await new TestClient(weir.port).unary('emptyCall').outcome;
          expect([status.UNIMPLEMENTED, status.INTERNAL]).toContain(code);
          expect(id).toMatch(ID);
          await expectNoCalls(weir);
          expect(weir.lines.filter(({ event }) => event === 'uncaught exception')).toEqual([]);
          expect(weir.process.exitCode).toBe(null);
        });

        it('gets and sends duplicates of any name unchanged', async () => {
          const ages = (raw: readonly string[]) => raw.filter((_, i) => raw[i - 1] === 'age');
          const seen: string[][] = [];
          const replica = await startH2Replica((stream, _, raw) => {
            seen.push(ages(raw));
            const head = [...RAW_HEAD, 'age', '1', 'age', '2'] as never;
            stream.respond(head, { waitForTrailers: true });
            stream.on('wantTrailers', () =>
              stream.sendTrailers({ 'grpc-status': '0', age: ['3', '4'] } as never),
            );
            stream.end(Buffer.alloc(5));
          });
          const weir = await startWeir(['--replica', replica.url]);
          const client = bareClient(weir.port);
          const call = client.request([...CALL, 'age', '7', 'age', '8'] as never, { endStream: true });
          call.resume();
          const listen = (_: unknown, _flags: number, raw: string[]) => seen.push(ages(raw));
          call.on('response', listen);
          call.on('trailers', listen);
          await once(call, 'close');
          expect(seen).toEqual([
            ['7', '8'],
            ['1', '2'],
            ['3', '4'],
          ]);
          client.destroy();
        });

        it('gets and sends three hundred entries', async () => {
          const entries = Array.from({ length: 300 }, (_, i) => [`x-${i}`, String(i)] as const);
          const replica = await startH2Replica((stream, headers) => {
            const code = entries.every(([name, value]) => headers[name] === value) ? '0' : '3';
            stream.respond([...RAW_HEAD, 'grpc-status', code, ...entries.flat()] as never, {
              endStream: true,
            });
          });
          const weir = await startWeir(['--replica', replica.url]);
          const client = bareClient(weir.port);
          const call = client.request([...CALL, ...entries.flat()] as never, { endStream: true });
          call.resume();
          const [headers] = (await once(call, 'response')) as [Record<string, unknown>];
          expect([headers['grpc-status'], headers['x-299']]).toEqual(['0', '299']);
          client.destroy();
        });
      });

      it.each([
        ['a status alone', false],
        ['messages', true],
      ])('serves thousands of calls with %s on one connection', async (_, hasMessages) => {
        const replica = await startH2Replica((stream) => {
          if (!hasMessages) return respondStatus(stream, 5);
          stream.respond(HEADERS, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
          stream.end(Buffer.alloc(5));
          return undefined;
        });
        const weir = await startWeir(['--replica', replica.url, '--log-access=false']);
        let connections = 0;
        replica.server.on('session', () => connections++);
        const client = bareClient(weir.port);
        for (let round = 0; round < 25; round++)
          await Promise.all(
            Array.from({ length: 100 }, async (_one, i) => {
              const call = client.request(CALL);
              call.resume();
              call.end(i % 2 === 0 ? Buffer.alloc(5) : undefined);
              await once(call, 'close');
            }),
          );
        expect(connections).toBe(1);
        client.destroy();
        await expectNoCalls(weir);
      });

      it('gets few connections if it accepts no streams', async () => {
        let isFull = false;
        const NO_STREAMS = Buffer.from([0, 3, 0, 0, 0, 0]);
        const replica = await startFrameReplica(
          (stream) => frame(1, 5, stream, hpack([':status', '200'], ['grpc-status', '12'])),
          () => (isFull ? NO_STREAMS : Buffer.alloc(0)),
        );
        const weir = await startWeir(['--replica', replica.url]);
        await until('the replica is ready', async () => (await fetch(`${weir.admin}/readyz`)).ok);
        isFull = true;
        const options = { deadline: Date.now() + 1000 };
        const { code } = await new TestClient(weir.port).unary('emptyCall', {}, { options }).outcome;
        expect([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]).toContain(code);
        expect(replica.connections).toBeLessThan(20);
        await expectNoCalls(weir);
      });

      it('is down, and a call ends with DEADLINE_EXCEEDED after queue_timeout', async () => {
        const weir = await startWeir(['--replica', 'grpc://127.0.0.1:1', '--deployment-queue-timeout=300ms']);
        const { code, details, trailers, id } = await new TestClient(weir.port).unary('emptyCall').outcome;
        expect([code, details]).toEqual([status.DEADLINE_EXCEEDED, 'No replica was free in time']);
        expect(trailers.get('x-weir-cause')).toEqual(['queue_timeout']);
        expect(await weir.expectExchange(id)).toMatchObject({
          status: 4,
          cause: 'queue_timeout',
          attempts: 0,
        });
      });

      it('is killed and restarted between two calls, and the next call succeeds', async () => {
        const replica = await startGrpcReplica();
        const weir = await startWeir(['--replica', replica.url, '--pool-probe-retry-interval=50ms']);
        const client = new TestClient(weir.port);
        expect((await client.unary('emptyCall').outcome).code).toBe(status.OK);
        replica.server.forceShutdown();
        const again = client.unary('emptyCall').outcome;
        await weir.expectLine('down', ({ event }) => event === 'replica is down');
        await startGrpcReplica({}, replica.port);
        expect((await again).code).toBe(status.OK);
      });
    });

    it('completes a call whose client ends its side without a message before a replica is found', async () => {
      const replica = await startGrpcReplica();
      const weir = await startWeir(['--replica', replica.url, '--deployment-concurrency-target=1']);
      const client = new TestClient(weir.port);
      // The first call: the client's side has ended before the connection to the replica is established.
      const first = client.duplex();
      first.call.end();
      expect((await first.outcome).code).toBe(status.OK);
      // A call in the wait queue.
      const hold = held();
      replica.hold = hold.promise;
      const one = client.unary('unaryCall');
      await until('the replica holds the call', () => replica.calls === 2);
      const second = client.duplex();
      second.call.end();
      await weir.expectMetric('weir_queue_length{deployment_id="local"}', 1);
      hold.release();
      expect((await second.outcome).code).toBe(status.OK);
      expect((await one.outcome).code).toBe(status.OK);
      await expectNoCalls(weir);
    });

    it('does not apply the idle timeout to a call in the wait queue', async () => {
      const replica = await startGrpcReplica();
      const weir = await startWeir([
        '--replica',
        replica.url,
        '--deployment-concurrency-target=1',
        '--proxy-idle-timeout=300ms',
      ]);
      const client = new TestClient(weir.port);
      const hold = held();
      replica.hold = hold.promise;
      const one = client.unary('unaryCall');
      await until('the replica holds the call', () => replica.calls === 1);
      const startMs = performance.now();
      const two = client.unary('unaryCall', { payload: { body: Buffer.alloc(1000) } });
      let isOver = false;
      void two.outcome.then(() => (isOver = true));
      await weir.expectMetric('weir_queue_length{deployment_id="local"}', 1);
      await until('the limit has passed', () => isOver || performance.now() - startMs > 1000);
      hold.release();
      expect((await two.outcome).code).toBe(status.OK);
      expect((await one.outcome).code).toBe(status.OK);
    });

    it('checks the health of the configured service, and treats NOT_SERVING as not ready', async () => {
      let health = 2;
      const asked: string[] = [];
      const replica = await startH2Replica(() => undefined);
      replica.server.removeAllListeners('stream');
      replica.server.on('stream', (stream) => {
        stream.on('data', (chunk: Buffer) => asked.push(chunk.subarray(7).toString()));
        stream.respond(HEADERS, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, health]));
      });
      const weir = await startWeir([
        '--replica',
        replica.url,
        '--deployment-health-service=example.TestService',
        '--pool-probe-retry-interval=50ms',
      ]);
      const problem = async () => JSON.stringify(await (await fetch(`${weir.admin}/v1/replicas`)).json());
      await until('the replica is not ready', async () =>
        (await problem()).includes('health check of example.TestService returned NOT_SERVING'),
      );
      expect((await fetch(`${weir.admin}/readyz`)).status).toBe(503);
      health = 1;
      await until('the replica is ready', async () => (await fetch(`${weir.admin}/readyz`)).status === 200);
      expect(new Set(asked)).toEqual(new Set(['example.TestService']));
    });

    describe('the target of a call', () => {
      it('is chosen by environment, deployment and model in metadata', async () => {
        const [stable, next] = [await startGrpcReplica(), await startGrpcReplica()];
        const web = await startReplica((_, res) => res.end('web'));
        const config = folder({
          'weir.yaml': [
            'model: { id: mdl1 }',
            'deployments:',
            `  - { id: dep1, environment: production, replicas: [{ url: "${stable.url}" }] }`,
            `  - { id: dep2, environment: staging, replicas: [{ url: "${next.url}" }] }`,
            `  - { id: dep3, environment: web, replicas: [{ url: "${web.url}" }] }`,
          ].join('\n'),
        });
        const weir = await startWeir(['--config', `${config}/weir.yaml`]);
        const client = new TestClient(weir.port);
        const routedTo = async (...metadata: [string, string][]) => {
          const { code, id, details } = await client.unary('emptyCall', {}, { metadata }).outcome;
          return [code, code === 0 ? (await weir.expectExchange(id))['deployment'] : details];
        };
        expect(await routedTo()).toEqual([0, 'dep1']);
        expect(await routedTo(['x-baseten-environment', 'staging'])).toEqual([0, 'dep2']);
        expect(await routedTo(['x-baseten-deployment', 'dep2'], ['baseten-model-id', 'model-mdl1'])).toEqual([
          0,
          'dep2',
        ]);
        expect(await routedTo(['x-baseten-environment', 'nowhere'])).toEqual([
          status.NOT_FOUND,
          'No such deployment or environment: environment "nowhere"',
        ]);
        expect(await routedTo(['baseten-model-id', 'other'])).toEqual([
          status.NOT_FOUND,
          'No such deployment or environment: model "other"',
        ]);
        expect(await routedTo(['x-baseten-environment', 'web'])).toEqual([
          status.UNIMPLEMENTED,
          'Protocol not supported: this deployment serves HTTP, the request is gRPC',
        ]);
        // HTTP/1.1 on the same port.
        expect(await (await fetch(`${weir.url}/environments/web/sync/x`)).text()).toBe('web');
      });
    });

    it('passes a call to a replica that serves HTTP and gRPC over HTTP/2 on one port', async () => {
      const replica = await startGrpcReplica();
      const weir = await startWeir(['--replica', replica.url.replace('grpc:', 'h2c:')]);
      const { code, id } = await new TestClient(weir.port).unary('emptyCall').outcome;
      expect(code).toBe(0);
      expect(await weir.expectExchange(id)).toMatchObject({ protocol: 'grpc', status: 0, cause: 'ok' });
      // The replica answers a request that is not a gRPC call.
      const line = weir.expectLine('the request', ({ path }) => path === '/page');
      await fetch(`${weir.url}/page`);
      expect(await line).toMatchObject({ protocol: 'http', cause: 'ok' });
    });

    it('returns 415 with an error body for a request over HTTP/2 that is not gRPC', async () => {
      const weir = await startWeir(['--replica', (await startGrpcReplica()).url]);
      const session = connect(weir.url);
      const request = session.request({ ':path': '/predict', ':method': 'POST' });
      request.end('{}');
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      const headers = await new Promise<Record<string, unknown>>((resolve) =>
        request.on('response', resolve),
      );
      await new Promise((resolve) => request.on('close', resolve));
      expect(headers[':status']).toBe(415);
      expect(JSON.parse(body)).toMatchObject({
        error_code: 'client_error',
        request_id: headers['x-baseten-request-id'],
      });
      session.destroy();
    });

    it('lets running calls end after SIGTERM', async () => {
      const replica = await startGrpcReplica();
      const weir = await startWeir(['--replica', replica.url]);
      const client = new TestClient(weir.port);
      const { call, outcome } = client.duplex();
      call.write({ responseParameters: [{ size: 1 }] });
      await new Promise((resolve) => call.once('data', resolve));
      const exit = weir.stop();
      await weir.expectLine('draining', ({ event }) => event === 'draining');
      call.write({ responseParameters: [{ size: 2 }] });
      await new Promise((resolve) => call.once('data', (m: Message) => resolve(m)));
      call.end();
      expect((await outcome).code).toBe(status.OK);
      expect(await exit).toBe(0);
    });

    it('ends calls with UNAVAILABLE when the drain times out', async () => {
      const replica = await startGrpcReplica();
      replica.hold = new Promise(() => undefined);
      const weir = await startWeir(['--replica', replica.url, '--ingress-drain-timeout=200ms']);
      const { outcome } = new TestClient(weir.port).unary('unaryCall');
      await until('the call runs', () => replica.calls === 1);
      expect(await weir.stop()).toBe(0);
      expect((await outcome).code).toBe(status.UNAVAILABLE);
    });

    it('returns RESOURCE_EXHAUSTED for a message over proxy.max_body once its length is known', async () => {
      const replica = await startGrpcReplica();
      const weir = await startWeir(['--replica', replica.url, '--proxy-max-body=1KiB']);
      const { call, outcome } = new TestClient(weir.port).input();
      call.write({ payload: { body: Buffer.alloc(5000) } });
      const { code, details } = await outcome;
      expect(code).toBe(status.RESOURCE_EXHAUSTED);
      expect(details).toContain('the limit is 1024');
    });
  });
}
