// HTTP/2 attacks on the data server, frame by frame. During each one, another client is served, the replica gets few of
// the attacker's streams, memory stays bounded, and afterwards no request is left.
import { afterEach, describe, expect, it } from 'vitest';
import { CALL_HEAD, closeH2, frame, H2Socket, startH2Replica, type H2Replica } from '../kit/h2.ts';
import { closeGrpc, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { stopAll, type Weir } from '../kit/weir.ts';
import { startWith, type Http2Library } from '../kit/http2-library.ts';

/** Runs the cases for one implementation of HTTP/2. */
export function http2AttacksContract(library: Http2Library): void {
  const startWeir = startWith(library);
  describe('HTTP/2 attacks, on HTTP/2 of ' + library, () => {
    const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [
      0, 1, 2, 3, 4, 6, 8, 9,
    ] as const;
    const [END_STREAM, ACK, END_HEADERS, PADDED] = [1, 1, 4, 8] as const;
    const MIB = 1024 ** 2;
    const ENDED = (cause: string) =>
      `weir_exchanges_total{deployment_id="local",cause="${cause}",origin="client"}`;
    const RESPONSE = { ':status': 200, 'content-type': 'application/grpc' };
    const sockets: H2Socket[] = [];
    const timers: NodeJS.Timeout[] = [];

    afterEach(async () => {
      for (const timer of timers.splice(0)) clearInterval(timer);
      for (const { socket } of sockets.splice(0)) socket.destroy();
      await stopAll();
      await closeGrpc();
      closeH2();
    });

    const u32 = (value: number): Buffer => {
      const out = Buffer.alloc(4);
      out.writeUInt32BE(value);
      return out;
    };
    /** One frame repeated `count` times, in pieces of about 16 KiB. */
    function* repeat(count: number, one: Buffer): Iterable<Buffer> {
      const each = Math.max(1, Math.floor(16_384 / one.length));
      const piece = Buffer.concat(Array.from({ length: each }, () => one));
      for (let sent = 0; sent < count; sent += each) yield piece;
    }
    function* streams(count: number, make: (stream: number) => Buffer[]): Iterable<Buffer> {
      for (let i = 0; i < count; i++) yield Buffer.concat(make(2 * i + 1));
    }
    const head = (stream: number, flags = 0) => frame(HEADERS, END_HEADERS | flags, stream, CALL_HEAD);
    const reset = (stream: number) => frame(RST_STREAM, 0, stream, u32(8));

    /** A replica that serves the other client. `attacked` gets all other streams; the default never responds. */
    const replicaWith = (
      attacked: Parameters<typeof startH2Replica>[0] = () => undefined,
    ): Promise<H2Replica> =>
      startH2Replica((stream, headers, raw) => {
        if (headers[':path'] === '/x.Y/Z') return attacked(stream, headers, raw);
        stream.respond(RESPONSE, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.alloc(5));
        return undefined;
      });

    const start = (replica: H2Replica, ...args: string[]): Promise<Weir> =>
      startWeir(['--replica', replica.url, '--log-access=false', ...args]);

    function attacker(weir: Weir, settings?: Buffer): H2Socket {
      const socket = new H2Socket(weir.port, settings);
      sockets.push(socket);
      return socket;
    }

    async function expectOthersServed(weir: Weir): Promise<void> {
      expect((await new TestClient(weir.port).unary('emptyCall').outcome).code).toBe(0);
    }

    async function expectNothingLeft(weir: Weir): Promise<void> {
      await weir.expectMetric('baseten_concurrent_requests', 0);
      await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
      expect(weir.process.exitCode).toBe(null);
    }

    /** Returns a function that returns the peak growth of resident memory since now, in MiB. */
    function growthOf(weir: Weir): () => number {
      const before = weir.residentBytes();
      let peak = before;
      const look = () => (peak = Math.max(peak, weir.residentBytes()));
      timers.push(setInterval(look, 5));
      return () => (look() - before) / MIB;
    }

    describe('HTTP/2 floods', () => {
      const attacks: [string, () => Iterable<Buffer>][] = [
        ['rapid reset (CVE-2023-44487)', () => streams(20_000, (s) => [head(s), reset(s)])],
        ['rapid reset of whole requests', () => streams(20_000, (s) => [head(s, END_STREAM), reset(s)])],
        [
          'provoked resets, by a window update of 0 (CVE-2025-8671)',
          () => streams(20_000, (s) => [head(s), frame(WINDOW_UPDATE, 0, s, u32(0))]),
        ],
        [
          'provoked resets, by a window beyond 2^31',
          () => streams(20_000, (s) => [head(s), frame(WINDOW_UPDATE, 0, s, u32(0x7fff_ffff))]),
        ],
        [
          'provoked resets, by DATA after END_STREAM',
          () => streams(20_000, (s) => [head(s, END_STREAM), frame(DATA, 0, s, Buffer.from('x'))]),
        ],
        [
          'invalid request heads',
          () =>
            streams(20_000, (s) => [
              frame(HEADERS, END_HEADERS, s, Buffer.concat([CALL_HEAD, Buffer.from([0, 1, 0x41, 1, 0x61])])),
            ]),
        ],
        ['more concurrent streams than allowed', () => streams(20_000, (s) => [head(s)])],
        [
          'a flood of CONTINUATION (CVE-2024-27983)',
          function* () {
            yield frame(HEADERS, 0, 1, CALL_HEAD);
            yield* repeat(100_000, frame(CONTINUATION, 0, 1, Buffer.from([0, 1, 0x78, 1, 0x61])));
          },
        ],
        [
          'a flood of empty CONTINUATION',
          () => [frame(HEADERS, 0, 1, CALL_HEAD), ...repeat(10_000, frame(CONTINUATION, 0, 1))],
        ],
        ['a flood of SETTINGS (CVE-2019-9515)', () => repeat(300_000, frame(SETTINGS, 0, 0))],
        ['a flood of acknowledged SETTINGS', () => repeat(300_000, frame(SETTINGS, ACK, 0))],
        ['a flood of PING (CVE-2019-9512)', () => repeat(300_000, frame(PING, 0, 0, Buffer.alloc(8)))],
        ['a flood of acknowledged PING', () => repeat(300_000, frame(PING, ACK, 0, Buffer.alloc(8)))],
        ['a flood of empty DATA (CVE-2019-9518)', () => [head(1), ...repeat(300_000, frame(DATA, 0, 1))]],
        [
          'a flood of DATA with padding only',
          () => [head(1), ...repeat(300_000, frame(DATA, PADDED, 1, Buffer.from([0])))],
        ],
        [
          'a flood of PRIORITY (CVE-2019-9513)',
          () => [head(1), ...repeat(300_000, frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 1])))],
        ],
        ['a flood of RST_STREAM for one stream', () => [head(1), ...repeat(300_000, reset(1))]],
        ['a flood of frames of an unknown type', () => repeat(300_000, frame(0x77, 0, 0))],
      ];

      it.each(attacks)(
        'closes the connection, in bounded memory, after %s',
        async (_, flood) => {
          const replica = await replicaWith();
          const weir = await start(replica);
          await expectOthersServed(weir);
          const growth = growthOf(weir);
          const socket = attacker(weir);
          const flooded = socket.flood(flood());
          await expectOthersServed(weir);
          await flooded;
          await until('the connection is cut', () => socket.isClosed);
          expect(growth()).toBeLessThan(80);
          // Two calls of the other client, and the streams that arrived before the flood was detected.
          expect(replica.streams).toBeLessThan(1200);
          await expectNothingLeft(weir);
          await expectOthersServed(weir);
        },
        60_000,
      );

      it('closes the connection after rapid reset of calls that have reached the replica', async () => {
        const replica = await replicaWith();
        const weir = await start(replica);
        const socket = attacker(weir);
        const BATCH = 50;
        let next = 1;
        while (!socket.isClosed && next < 20_000) {
          const batch = Array.from({ length: BATCH }, (_, i) => next + 2 * i);
          next += 2 * BATCH;
          const seen = replica.streams;
          socket.socket.write(Buffer.concat(batch.map((stream) => head(stream))));
          await until('the replica has the calls', () => socket.isClosed || replica.streams >= seen + BATCH);
          socket.socket.write(Buffer.concat(batch.map((stream) => reset(stream))));
        }
        expect(socket.isClosed).toBe(true);
        expect(replica.streams).toBeLessThan(1500);
        await expectOthersServed(weir);
        await expectNothingLeft(weir);
        await until('the replica has no open call', () => replica.codes.length === replica.streams);
      }, 60_000);

      it('serves others while a client floods it with PING and never reads', async () => {
        const weir = await start(await replicaWith());
        const growth = growthOf(weir);
        const socket = attacker(weir);
        socket.socket.pause();
        const flooded = socket
          .flood(repeat(1_000_000, frame(PING, 0, 0, Buffer.alloc(8))))
          .catch(() => undefined);
        await expectOthersServed(weir);
        expect(growth()).toBeLessThan(80);
        socket.socket.destroy();
        await flooded;
        await expectNothingLeft(weir);
      }, 60_000);
    });

    describe('slow or greedy HTTP/2 clients', () => {
      it('serves others in bounded memory during a flood of WINDOW_UPDATE', async () => {
        const weir = await start(await replicaWith());
        const growth = growthOf(weir);
        const socket = attacker(weir);
        const both = Buffer.concat([frame(WINDOW_UPDATE, 0, 0, u32(1)), frame(WINDOW_UPDATE, 0, 1, u32(1))]);
        const flooded = socket.flood([head(1), ...repeat(300_000, both)]);
        await expectOthersServed(weir);
        await flooded;
        expect(growth()).toBeLessThan(60);
        socket.socket.destroy();
        await expectNothingLeft(weir);
      });

      it('refuses heads that decompress to a thousand times their size', async () => {
        const replica = await replicaWith();
        const weir = await start(replica);
        const growth = growthOf(weir);
        const socket = attacker(weir);
        // One header of 4,000 bytes goes into the table, then 12,000 bytes refer to it one by one: 48 MB per head.
        const entry = Buffer.concat([
          Buffer.from([0x40, 1, 0x62, 0x7f, 0xa1, 0x1e]),
          Buffer.alloc(4000, 0x61),
        ]);
        const bomb = Buffer.concat([CALL_HEAD, entry, Buffer.alloc(12_000, 0xbe)]);
        const flooded = socket.flood(
          streams(200, (s) => [frame(HEADERS, END_HEADERS | END_STREAM, s, bomb)]),
        );
        await expectOthersServed(weir);
        await flooded;
        const refused = () => socket.frames.filter(({ type }) => type === RST_STREAM).length;
        await until('all are refused', () => socket.isClosed || refused() === 200);
        expect(growth()).toBeLessThan(60);
        expect(replica.streams).toBe(1);
        await expectNothingLeft(weir);
      });

      it('holds a message in frames of one byte for a slow replica in bounded memory', async () => {
        const replica = await replicaWith((stream) => stream.resume());
        const weir = await start(replica);
        const growth = growthOf(weir);
        const socket = attacker(weir, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
        const CALLS = 1;
        const SIZE = 250_000;
        for (const piece of streams(CALLS, (s) => [
          head(s),
          frame(DATA, 0, s, Buffer.concat([Buffer.from([0]), u32(SIZE)])),
        ]))
          socket.socket.write(piece);
        // A fifth of the stream's window at a time, each when the window allows it.
        let sent = 0;
        while (sent < SIZE) {
          const part = Math.min(12_500, SIZE - sent);
          for (let stream = 1; stream < 2 * CALLS; stream += 2) {
            const one = frame(DATA, 0, stream, Buffer.from('x'));
            socket.socket.write(Buffer.concat(Array.from({ length: part }, () => one)));
          }
          sent += part;
          await until('the window allows more', () => {
            for (let stream = 1; stream < 2 * CALLS; stream += 2)
              if (socket.initialWindow + socket.windowOf(stream) - (sent + 5) < 12_500) return false;
            return true;
          });
        }
        expect(growth()).toBeLessThan(80);
        await expectOthersServed(weir);
        socket.socket.destroy();
        await expectNothingLeft(weir);
      }, 60_000);

      it(`${library === 'weir' ? 'holds' : 'refuses'} waiting calls whose messages come in too many small frames, but no others`, async () => {
        const replica = await replicaWith((stream) => stream.resume());
        const weir = await start(replica, '--deployment-concurrency-target=1');
        const growth = growthOf(weir);
        const first = attacker(weir);
        first.socket.write(head(1));
        await until('the replica has the call', () => replica.streams === 1);
        const message = Buffer.concat([Buffer.from([0]), u32(65_000)]);
        // Frames of 1,000 bytes, like those of ordinary clients.
        const honest = attacker(weir);
        await honest.flood([
          head(1),
          frame(DATA, 0, 1, message),
          ...repeat(40, frame(DATA, 0, 1, Buffer.alloc(1000))),
        ]);
        const socket = attacker(weir);
        const flooded = socket.flood(
          (function* () {
            for (let stream = 1; stream < 41; stream += 2) {
              yield Buffer.concat([head(stream), frame(DATA, 0, stream, message)]);
              yield* repeat(60_000, frame(DATA, 0, stream, Buffer.from('x')));
            }
          })(),
        );
        // Node keeps an object for each frame, weir only the bytes.
        if (library === 'node')
          await until(
            'some are refused',
            async () => ((await weir.page()).value(ENDED('bad_request')) ?? 0) > 0,
          );
        await flooded;
        // All of them would be a million frames: about 250 MB.
        expect(growth()).toBeLessThan(150);
        const isHonestServed = () =>
          honest.frames.some(({ type }) => type === HEADERS || type === RST_STREAM);
        expect(isHonestServed()).toBe(false);
        socket.socket.destroy();
        if (library === 'weir') expect((await weir.page()).value(ENDED('bad_request')) ?? 0).toBe(0);
        await weir.expectMetric('baseten_concurrent_requests', 2);
        first.socket.destroy();
        await until('the honest call has reached the replica', () => replica.streams === 2);
        honest.socket.destroy();
        await expectNothingLeft(weir);
      }, 60_000);

      it('ends calls of a client that never opens its windows, and reads little from the replica', async () => {
        let written = 0;
        const replica = await replicaWith((stream) => {
          stream.respond(RESPONSE);
          const block = Buffer.alloc(64 * 1024);
          block.writeUInt32BE(100 * MIB, 1);
          const fill = () => {
            for (let more = true; more && !stream.destroyed; written += block.length)
              more = stream.write(block);
          };
          stream.on('drain', fill);
          fill();
        });
        const weir = await start(replica, '--proxy-idle-timeout=1s', '--proxy-http2-max-held=32MiB');
        const growth = growthOf(weir);
        // SETTINGS_INITIAL_WINDOW_SIZE 0.
        const socket = attacker(weir, Buffer.from([0, 4, 0, 0, 0, 0]));
        const CALLS = 400;
        await socket.flood(streams(CALLS, (s) => [head(s, END_STREAM)]));
        await until('the replica has 50 calls', () => replica.streams >= 50);
        await expectOthersServed(weir);
        await until(
          'the calls are ended',
          async () => ((await weir.page()).value(ENDED('client_stalled')) ?? 0) >= 50,
        );
        // Node: one stream holds little more than its window towards the replica. weir: all hold what is allowed.
        expect(growth()).toBeLessThan(100);
        expect(written).toBeLessThan(CALLS * 512 * 1024);
        await expectNothingLeft(weir);
        await expectOthersServed(weir);
      }, 60_000);

      it('ends calls of a client that opens its windows byte by byte', async () => {
        const replica = await replicaWith((stream) => {
          stream.respond(RESPONSE);
          const message = Buffer.alloc(MIB);
          message.writeUInt32BE(MIB, 1);
          stream.write(message);
        });
        const weir = await start(replica, '--proxy-idle-timeout=1s');
        const growth = growthOf(weir);
        const socket = attacker(weir, Buffer.from([0, 4, 0, 0, 0, 1]));
        await socket.flood(streams(50, (s) => [head(s, END_STREAM)]));
        const flooded = socket.flood(
          (function* () {
            for (let round = 0; round < 2000; round++)
              yield Buffer.concat(
                Array.from({ length: 50 }, (_, i) => frame(WINDOW_UPDATE, 0, 2 * i + 1, u32(1))),
              );
          })(),
        );
        await expectOthersServed(weir);
        await flooded;
        expect(growth()).toBeLessThan(80);
        // A byte now and then does not count as progress.
        await expectNothingLeft(weir);
      }, 60_000);

      it('ends calls whose client stops sending, after the idle timeout', async () => {
        const replica = await replicaWith();
        const weir = await start(replica, '--proxy-idle-timeout=500ms');
        const growth = growthOf(weir);
        const socket = attacker(weir);
        await socket.flood(streams(1000, (s) => [head(s)]));
        await expectOthersServed(weir);
        await weir.expectMetric(ENDED('request_timeout'), 1000, 30_000);
        expect(growth()).toBeLessThan(80);
        await expectNothingLeft(weir);
        await until('the replica has no open call', () => replica.codes.length === replica.streams);
      }, 60_000);

      it('sends the next call to a replica that does not read the messages of others', async () => {
        // The replica has the default windows and reads nothing.
        const replica = await replicaWith();
        const weir = await start(replica);
        const growth = growthOf(weir);
        const socket = attacker(weir);
        const message = Buffer.alloc(60_000);
        message.writeUInt32BE(MIB, 1);
        const CALLS = 400;
        await socket.flood(
          streams(CALLS, (s) => [
            head(s),
            ...[0, 1, 2, 3].map((i) => frame(DATA, 0, s, message.subarray(i * 15_000, (i + 1) * 15_000))),
          ]),
        );
        await until('the replica has all calls', () => replica.streams === CALLS);
        await expectOthersServed(weir);
        expect(growth()).toBeLessThan(150);
        socket.socket.destroy();
        await expectNothingLeft(weir);
      }, 60_000);

      it('closes a connection whose first head never ends, after the keep-alive timeout', async () => {
        const weir = await start(await replicaWith(), '--ingress-keep-alive-timeout=300ms');
        const socket = attacker(weir);
        socket.socket.write(frame(HEADERS, 0, 1, CALL_HEAD));
        await until('the connection ends', () => socket.isClosed);
        await expectNothingLeft(weir);
      });
    });

    describe('a connection to a replica that several clients share', () => {
      const isEnded = (socket: H2Socket) =>
        socket.frames.some(({ type, stream }) => stream > 0 && (type === HEADERS || type === RST_STREAM));

      it('stays open for other clients if some clients reset their calls', async () => {
        // A server on Node closes a connection after about a thousand resets.
        const replica = await replicaWith();
        const weir = await start(replica);
        const honest = attacker(weir);
        honest.socket.write(head(1));
        await until('the replica has the call', () => replica.streams === 1);
        for (let round = 0; round < 3; round++) {
          const socket = attacker(weir);
          for (let next = 1; next < 1200; next += 200) {
            const batch = Array.from({ length: 100 }, (_, i) => next + 2 * i);
            const seen = replica.streams;
            socket.socket.write(Buffer.concat(batch.map((stream) => head(stream))));
            await until('the replica has the calls', () => replica.streams >= seen + batch.length);
            socket.socket.write(Buffer.concat(batch.map((stream) => reset(stream))));
          }
        }
        await until('the replica has got all resets', () => replica.codes.length === 1800);
        await expectOthersServed(weir);
        expect(isEnded(honest)).toBe(false);
        expect(replica.sessions.size).toBeLessThan(8);
        honest.socket.destroy();
        await expectNothingLeft(weir);
      }, 60_000);

      it('stays open for other clients if one disconnects with a thousand calls', async () => {
        const replica = await replicaWith();
        const weir = await start(replica);
        const honest = attacker(weir);
        honest.socket.write(head(1));
        await until('the replica has the call', () => replica.streams === 1);
        for (let round = 1; round <= 2; round++) {
          const socket = attacker(weir);
          await socket.flood(streams(1000, (s) => [head(s)]));
          await until('the replica has the calls', () => replica.streams === 1 + 1000 * round);
          socket.socket.destroy();
          await until('the replica has got all resets', () => replica.codes.length === 1000 * round);
        }
        await expectOthersServed(weir);
        expect(isEnded(honest)).toBe(false);
        honest.socket.destroy();
        await expectNothingLeft(weir);
      }, 60_000);

      it('is left by other calls when a response that its client does not read fills it', async () => {
        let hasSettled = false;
        const serve: Parameters<typeof startH2Replica>[0] = (stream, headers) => {
          stream.respond(RESPONSE, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
          if (headers[':path'] !== '/x.Y/Z') return stream.end(Buffer.alloc(5));
          const message = Buffer.alloc(5 + 20 * MIB);
          message.writeUInt32BE(20 * MIB, 1);
          stream.end(message);
          const session = stream.session!;
          // The windows are filled one by one; each acknowledged ping shows that the data before it was sent.
          const settle = (left: number) =>
            session.ping(() => (left === 0 ? (hasSettled = true) : settle(left - 1)));
          settle(8);
          return undefined;
        };
        // Like Node’s default: a connection with more than 10 MB of waiting data accepts no more streams.
        const replica = await startH2Replica(serve, {}, { maxSessionMemory: 10 });
        const weir = await start(replica);
        const socket = attacker(weir, Buffer.from([0, 4, 0, 0, 0, 0]));
        socket.socket.write(head(1, END_STREAM));
        await until('no more data is sent', () => hasSettled);
        for (let i = 0; i < 20; i++) await expectOthersServed(weir);
        expect(isEnded(socket) && socket.frames.some(({ type }) => type === RST_STREAM)).toBe(false);
        // Probes use own connections, which end.
        await until('there are two connections', () => replica.sessions.size === 2);
        socket.socket.destroy();
        await expectNothingLeft(weir);
      }, 60_000);
    });

    it('refuses a head beyond the limit and still serves other clients', async () => {
      const weir = await start(await replicaWith());
      const metadata = [['x-big', 'x'.repeat(60_000)]] as const;
      const { code } = await new TestClient(weir.port).unary('emptyCall', {}, { metadata }).outcome;
      expect(code).not.toBe(0);
      await expectOthersServed(weir);
    });
  });
}
