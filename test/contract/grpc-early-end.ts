// Calls whose response ends before the client ends its side: trailers first, then RST_STREAM with NO_ERROR.
// Source: RFC 9113 8.1 (a complete response before the request is complete).
import { credentials } from '@grpc/grpc-js';
import { connect, type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { localCertificate, type Certificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { CALL_HEAD, closeH2, frame, H2Socket, startH2Replica } from '../kit/h2.ts';
import { closeGrpc, startGrpcReplica, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { stopAll, type Weir } from '../kit/weir.ts';
import { startWith, type Http2Library } from '../kit/http2-library.ts';

/** Runs the cases for one implementation of HTTP/2. */
export function grpcEarlyEndContract(library: Http2Library): void {
  const startWeir = startWith(library);
  describe('responses that end early, on HTTP/2 of ' + library, () => {
    const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
    const CALL = { ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc' };
    const ID = /^[0-9a-f]{37}$/;
    const RST_STREAM = 3;
    const HEADERS_FRAME = 1;
    const END_STREAM = 1;

    let authority: Certificate;
    let server: Certificate;
    const sessions = new Set<ClientHttp2Session>();

    beforeAll(() => ({ authority, server } = localCertificate()));
    afterEach(async () => {
      for (const session of sessions) session.destroy();
      sessions.clear();
      await stopAll();
      await closeGrpc();
      closeH2();
    });
    afterAll(removeFolders);

    /** One gRPC message of `size` bytes, with its prefix. */
    function message(size: number): Buffer {
      const framed = Buffer.alloc(5 + size);
      framed.writeUInt32BE(size, 1);
      return framed;
    }

    /** Ends a response with a status while the client still sends. `isReset`: then resets the stream, as some servers do. */
    function finish(stream: ServerHttp2Stream, trailers: Record<string, string>, isReset: boolean): void {
      stream.on('wantTrailers', () => {
        stream.sendTrailers(trailers);
        // Node queues trailers in the next turn of its event loop.
        if (isReset) setImmediate(() => setImmediate(() => stream.close(0)));
      });
      stream.end();
    }

    /** Waits until no call is in flight at weir or at the replica. */
    async function expectNoCalls(weir: Weir): Promise<void> {
      await weir.expectMetric('baseten_concurrent_requests', 0);
      await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
    }

    /** The result of a call that the client has not ended. */
    interface Seen {
      readonly bytes: number;
      readonly trailers: Record<string, unknown>;
      readonly code: number;
    }

    function openSession(weir: Weir, isTls = false): ClientHttp2Session {
      const session = isTls
        ? connect(`https://localhost:${weir.port}`, { ca: authority.cert })
        : connect(weir.url);
      session.on('error', () => session.destroy());
      sessions.add(session);
      return session;
    }

    /** Makes a call that sends one message and then stays open until the other side ends it. */
    function callOpen(session: ClientHttp2Session, more: Record<string, string> = {}): Promise<Seen> {
      const call = session.request({ ...CALL, ...more }, { endStream: false });
      call.write(message(3));
      return seenOf(call);
    }

    function seenOf(call: ReturnType<ClientHttp2Session['request']>): Promise<Seen> {
      let bytes = 0;
      let trailers: Record<string, unknown> = {};
      call.on('error', () => undefined);
      call.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined) trailers = headers;
      });
      call.on('trailers', (got) => (trailers = got));
      call.on('data', (chunk: Buffer) => (bytes += chunk.length));
      return new Promise((resolve) =>
        call.on('close', () => resolve({ bytes, trailers, code: call.rstCode })),
      );
    }

    const RESPONSES: [string, number[], Record<string, string>][] = [
      ['initial metadata and a status', [], { 'grpc-status': '5', 'grpc-message': 'no' }],
      ['a message and OK', [10], { 'grpc-status': '0' }],
      ['fifty messages and OK', Array.from({ length: 50 }, () => 1000), { 'grpc-status': '0' }],
      ['messages of 300 KB and OK', [300_000, 300_000, 300_000], { 'grpc-status': '0' }],
      ['a message and an error', [10], { 'grpc-status': '9', 'grpc-message': 'too early' }],
      [
        'a message and an error with details',
        [10],
        { 'grpc-status': '10', 'grpc-status-details-bin': 'CAoSAWQ', 'x-more': 'm' },
      ],
    ];

    describe.each([
      ['over plain TCP', false],
      ['over TLS', true],
    ])('a response that ends before the client’s side, %s', (_, isTls) => {
      const start = (url: string) =>
        startWeir([
          '--replica',
          url,
          ...(isTls ? [`--ingress-tls-cert=${server.certFile}`, `--ingress-tls-key=${server.keyFile}`] : []),
        ]);

      it('reaches the client whole, whether or not the replica resets the stream', async () => {
        const replica = await startH2Replica((stream, headers) => {
          const [, at, rest] = String(headers[':path']).split('/');
          const [, sizes, trailers] = RESPONSES[Number(at)]!;
          stream.respond(HEADERS, { waitForTrailers: true });
          for (const size of sizes) stream.write(message(size));
          finish(stream, trailers, rest === 'reset');
        });
        const weir = await start(replica.url);
        const session = openSession(weir, isTls);
        let calls = 0;
        for (const [at, [name, sizes, trailers]] of RESPONSES.entries())
          for (const rest of ['reset', 'open'])
            for (let i = 0; i < 5; i++) {
              const bytes = sizes.reduce((sum, size) => sum + size + 5, 0);
              const seen = await callOpen(session, { ':path': `/${at}/${rest}` });
              calls++;
              expect(seen, `${name}, ${rest}`).toMatchObject({ bytes, trailers, code: 0 });
              const id = String(seen.trailers['x-baseten-request-id']);
              expect(id).toMatch(ID);
              expect(await weir.expectExchange(id)).toMatchObject({
                status: Number(trailers['grpc-status']),
                cause: 'ok',
                response_bytes: bytes - 5 * sizes.length,
              });
            }
        await until('the replica’s streams have ended', () => replica.codes.length === calls);
        expect(session.destroyed).toBe(false);
        await expectNoCalls(weir);
      });

      it('reaches the client if it is only a status', async () => {
        const replica = await startH2Replica((stream) => {
          stream.respond({ ...HEADERS, 'grpc-status': '7', 'grpc-message': 'not you' }, { endStream: true });
        });
        const weir = await start(replica.url);
        const session = openSession(weir, isTls);
        for (let i = 0; i < 5; i++)
          expect(await callOpen(session)).toMatchObject({ trailers: { 'grpc-status': '7' }, code: 0 });
        await expectNoCalls(weir);
      });

      it('reaches @grpc/grpc-js as a message and an error while the client keeps the call open', async () => {
        const replica = await startGrpcReplica();
        const weir = await start(replica.url);
        const client = isTls
          ? new TestClient(weir.port, {}, credentials.createSsl(Buffer.from(authority.cert)))
          : new TestClient(weir.port);
        for (let i = 0; i < 20; i++) {
          const { call, outcome } = client.duplex();
          call.write({ responseParameters: [{ size: 4 }] });
          await new Promise((resolve) => call.once('data', resolve));
          call.write({ responseStatus: { code: 9, message: 'too early' } });
          const { code, details, id } = await outcome;
          expect([code, details]).toEqual([9, 'too early']);
          expect(await weir.expectExchange(id)).toMatchObject({ status: 9, cause: 'ok' });
        }
        await expectNoCalls(weir);
      });
    });

    it('sends END_STREAM, then RST_STREAM, then nothing', async () => {
      const replica = await startH2Replica((stream) => {
        stream.respond(HEADERS, { waitForTrailers: true });
        stream.write(message(1));
        finish(stream, { 'grpc-status': '0' }, false);
      });
      const weir = await startWeir(['--replica', replica.url]);
      const socket = new H2Socket(weir.port);
      socket.socket.write(frame(HEADERS_FRAME, 4, 1, CALL_HEAD));
      const isReset = ({ type, stream }: { type: number; stream: number }) =>
        type === RST_STREAM && stream === 1;
      await until('the stream is reset', () => socket.frames.some(isReset));
      const mine = socket.frames.filter(({ stream }) => stream === 1);
      expect(mine.at(-1)!.payload.readUInt32BE()).toBe(0);
      expect(mine.at(-2)).toMatchObject({ type: HEADERS_FRAME });
      expect(mine.at(-2)!.flags & END_STREAM).toBe(END_STREAM);
      await expectNoCalls(weir);
    });

    it('sends the whole response of a replica that has ended to a client that keeps sending and reads slowly', async () => {
      const size = 2 * 1024 ** 2;
      const replica = await startH2Replica((stream) => {
        stream.respond(HEADERS, { waitForTrailers: true });
        stream.write(message(size));
        finish(stream, { 'grpc-status': '0' }, true);
      });
      const weir = await startWeir(['--replica', replica.url]);
      const session = openSession(weir);
      const call = session.request(CALL, { endStream: false });
      const seen = seenOf(call);
      call.write(message(3));
      call.pause();
      await until('the replica has the call', () => call.sentHeaders !== undefined && replica.streams === 1);
      let sent = 0;
      const writing = setInterval(() => {
        sent++;
        call.write(message(100));
      }, 1);
      await until('much was sent', () => sent > 100);
      call.resume();
      const { bytes, trailers, code } = await seen;
      clearInterval(writing);
      expect([bytes, trailers['grpc-status'], code]).toEqual([size + 5, '0', 0]);
      await expectNoCalls(weir);
    });

    describe('a failure after the response has begun, while the client has not ended', () => {
      const begin = (stream: ServerHttp2Stream) => {
        stream.respond(HEADERS, { waitForTrailers: true });
        stream.write(message(4));
      };
      const after = (then: (stream: ServerHttp2Stream) => void) => (stream: ServerHttp2Stream) => {
        begin(stream);
        // The message reaches weir before the next step, since the client of this test waits for it.
        stream.once('data', () => then(stream));
      };
      const failures: [string, (stream: ServerHttp2Stream) => void, string, number, string][] = [
        ['the deadline of the client', begin, '400m', 4, 'deadline_exceeded'],
        ['a replica that stops sending', begin, '', 4, 'idle_timeout'],
        ['a replica that is lost', after((stream) => stream.session!.destroy()), '', 14, 'reset_midway'],
        ['a message that is too large', begin, '', 8, 'too_large'],
        ['a replica that resets', after((stream) => stream.close(2)), '', 13, 'reset_midway'],
        [
          'a replica that ends without a status',
          after((stream) => {
            stream.on('wantTrailers', () => stream.sendTrailers({ x: 'y' }));
            stream.end();
          }),
          '',
          2,
          'bad_response',
        ],
      ];

      it('is reported as a status in trailers', async () => {
        const replica = await startH2Replica((stream, headers) => {
          stream.resume();
          failures[Number((headers[':path'] as string).slice(1))]![1](stream);
        });
        const args = ['--proxy-idle-timeout=1s', '--proxy-max-body=1KiB'];
        const weir = await startWeir(['--replica', replica.url, ...args]);
        const session = openSession(weir);
        for (const [at, [name, , timeout, status, cause]] of failures.entries())
          for (let i = 0; i < 2; i++) {
            const given = timeout === '' ? {} : { 'grpc-timeout': timeout };
            const call = session.request({ ...CALL, ':path': `/${at}`, ...given }, { endStream: false });
            const seen = seenOf(call);
            await new Promise((resolve) => call.once('data', resolve));
            call.write(message(cause === 'too_large' ? 5000 : 3));
            const { bytes, trailers, code } = await seen;
            expect([name, bytes, trailers['grpc-status'], trailers['x-weir-cause'], code]).toEqual([
              name,
              9,
              String(status),
              cause,
              0,
            ]);
            const line = await weir.expectExchange(String(trailers['x-baseten-request-id']));
            expect(line).toMatchObject({ status, cause });
          }
        for (const [code, count] of [
          [4, 4],
          [14, 2],
          [8, 2],
          [13, 2],
          [2, 2],
        ])
          await weir.expectMetric(
            `baseten_inference_requests_total{status_code="${code}",is_async="false"}`,
            count!,
          );
        await expectNoCalls(weir);
      });

      it('ends in limited time if the client reads nothing', async () => {
        const replica = await startH2Replica((stream) => {
          stream.respond(HEADERS, { waitForTrailers: true });
          stream.write(message(100_000));
        });
        const weir = await startWeir(['--replica', replica.url, '--proxy-idle-timeout=200ms']);
        // A window of 0: no byte of the message can be sent.
        const socket = new H2Socket(weir.port, Buffer.from([0, 4, 0, 0, 0, 0]));
        socket.socket.write(frame(HEADERS_FRAME, 4, 1, CALL_HEAD));
        expect(
          await weir.expectLine('the end of the call', ({ event }) => event === 'exchange'),
        ).toMatchObject({
          cause: 'client_stalled',
        });
        await until('the stream is reset', () =>
          socket.frames.some(({ type, stream }) => type === RST_STREAM && stream === 1),
        );
        await expectNoCalls(weir);
      });
    });
  });
}
