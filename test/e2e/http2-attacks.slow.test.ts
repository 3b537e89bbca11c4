// Attacks of HTTP/2 on the data door, frame by frame: each costs its own connection, or no more than its bytes are worth.
// Beside every one of them another client is answered, no replica hears much of it, and nothing of it is left.
import { afterEach, describe, expect, it } from 'vitest';
import { CALL_HEAD, closeH2, frame, H2Socket, startH2Replica, type H2Replica } from '../kit/h2.ts';
import { closeGrpc, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [
  0, 1, 2, 3, 4, 6, 8, 9,
] as const;
const [END_STREAM, ACK, END_HEADERS, PADDED] = [1, 1, 4, 8] as const;
const MIB = 1024 ** 2;
const ENDED = (cause: string) =>
  `weir_exchanges_total{deployment_id="local",cause="${cause}",origin="client"}`;
const ANSWER = { ':status': 200, 'content-type': 'application/grpc' };
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
/** A frame many times over, in pieces of 16 KiB or so. */
function* times(count: number, one: Buffer): Iterable<Buffer> {
  const each = Math.max(1, Math.floor(16_384 / one.length));
  const piece = Buffer.concat(Array.from({ length: each }, () => one));
  for (let sent = 0; sent < count; sent += each) yield piece;
}
function* streams(count: number, make: (stream: number) => Buffer[]): Iterable<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.concat(make(2 * i + 1));
}
const head = (stream: number, flags = 0) => frame(HEADERS, END_HEADERS | flags, stream, CALL_HEAD);
const reset = (stream: number) => frame(RST_STREAM, 0, stream, u32(8));

/** A replica that answers the well-behaved client, and hands all else to `attacked`, which keeps it waiting by default. */
const replicaWith = (attacked: Parameters<typeof startH2Replica>[0] = () => undefined): Promise<H2Replica> =>
  startH2Replica((stream, headers, raw) => {
    if (headers[':path'] === '/x.Y/Z') return attacked(stream, headers, raw);
    stream.respond(ANSWER, { waitForTrailers: true });
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

async function othersAreAnswered(weir: Weir): Promise<void> {
  expect((await new TestClient(weir.port).unary('emptyCall').outcome).code).toBe(0);
}

async function nothingIsLeft(weir: Weir): Promise<void> {
  await weir.shows('baseten_concurrent_requests', 0);
  await weir.shows('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  expect(weir.process.exitCode).toBe(null);
}

/** Highest resident memory above what it is now, in MiB, whenever it is asked for. */
function growthOf(weir: Weir): () => number {
  const before = weir.residentBytes();
  let peak = before;
  const look = () => (peak = Math.max(peak, weir.residentBytes()));
  timers.push(setInterval(look, 5));
  return () => (look() - before) / MIB;
}

describe('loses its connection, and costs bounded memory:', () => {
  const attacks: [string, () => Iterable<Buffer>][] = [
    ['rapid reset (CVE-2023-44487)', () => streams(20_000, (s) => [head(s), reset(s)])],
    ['rapid reset of whole requests', () => streams(20_000, (s) => [head(s, END_STREAM), reset(s)])],
    [
      'resets that it provokes, by a window update of 0 (CVE-2025-8671)',
      () => streams(20_000, (s) => [head(s), frame(WINDOW_UPDATE, 0, s, u32(0))]),
    ],
    [
      'resets that it provokes, by a window beyond 2^31',
      () => streams(20_000, (s) => [head(s), frame(WINDOW_UPDATE, 0, s, u32(0x7fff_ffff))]),
    ],
    [
      'resets that it provokes, by data behind the end',
      () => streams(20_000, (s) => [head(s, END_STREAM), frame(DATA, 0, s, Buffer.from('x'))]),
    ],
    [
      'heads that no request may have',
      () =>
        streams(20_000, (s) => [
          frame(HEADERS, END_HEADERS, s, Buffer.concat([CALL_HEAD, Buffer.from([0, 1, 0x41, 1, 0x61])])),
        ]),
    ],
    ['more streams than are allowed', () => streams(20_000, (s) => [head(s)])],
    [
      'a flood of CONTINUATION (CVE-2024-27983)',
      function* () {
        yield frame(HEADERS, 0, 1, CALL_HEAD);
        yield* times(100_000, frame(CONTINUATION, 0, 1, Buffer.from([0, 1, 0x78, 1, 0x61])));
      },
    ],
    [
      'a flood of empty CONTINUATION',
      () => [frame(HEADERS, 0, 1, CALL_HEAD), ...times(10_000, frame(CONTINUATION, 0, 1))],
    ],
    ['a flood of SETTINGS (CVE-2019-9515)', () => times(300_000, frame(SETTINGS, 0, 0))],
    ['a flood of acknowledged SETTINGS', () => times(300_000, frame(SETTINGS, ACK, 0))],
    ['a flood of PING (CVE-2019-9512)', () => times(300_000, frame(PING, 0, 0, Buffer.alloc(8)))],
    ['a flood of answered PING', () => times(300_000, frame(PING, ACK, 0, Buffer.alloc(8)))],
    ['a flood of empty DATA (CVE-2019-9518)', () => [head(1), ...times(300_000, frame(DATA, 0, 1))]],
    [
      'a flood of DATA that is all padding',
      () => [head(1), ...times(300_000, frame(DATA, PADDED, 1, Buffer.from([0])))],
    ],
    [
      'a flood of PRIORITY (CVE-2019-9513)',
      () => [head(1), ...times(300_000, frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 1])))],
    ],
    ['a flood of RST_STREAM for one stream', () => [head(1), ...times(300_000, reset(1))]],
    ['a flood of frames that nobody knows', () => times(300_000, frame(0x77, 0, 0))],
  ];

  it.each(attacks)(
    '%s',
    async (_, flood) => {
      const replica = await replicaWith();
      const weir = await start(replica);
      await othersAreAnswered(weir);
      const growth = growthOf(weir);
      const socket = attacker(weir);
      const flooded = socket.flood(flood());
      await othersAreAnswered(weir);
      await flooded;
      await until('the connection is cut', () => socket.isClosed);
      expect(growth()).toBeLessThan(80);
      // The well-behaved client's two, and what came before the flood was seen for what it is.
      expect(replica.streams).toBeLessThan(1200);
      await nothingIsLeft(weir);
      await othersAreAnswered(weir);
    },
    60_000,
  );

  it('rapid reset that waits until the replica has the calls: it hears of some hundred, then of none', async () => {
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
      await until('the replica has them', () => socket.isClosed || replica.streams >= seen + BATCH);
      socket.socket.write(Buffer.concat(batch.map((stream) => reset(stream))));
    }
    expect(socket.isClosed).toBe(true);
    expect(replica.streams).toBeLessThan(1500);
    await othersAreAnswered(weir);
    await nothingIsLeft(weir);
    await until('none runs there', () => replica.codes.length === replica.streams);
  }, 60_000);

  it('a client that never reads what it makes weir say', async () => {
    const weir = await start(await replicaWith());
    const growth = growthOf(weir);
    const socket = attacker(weir);
    socket.socket.pause();
    const flooded = socket.flood(times(1_000_000, frame(PING, 0, 0, Buffer.alloc(8)))).catch(() => undefined);
    await othersAreAnswered(weir);
    expect(growth()).toBeLessThan(80);
    socket.socket.destroy();
    await flooded;
    await nothingIsLeft(weir);
  }, 60_000);
});

describe('costs no more than its bytes:', () => {
  it('a flood of WINDOW_UPDATE', async () => {
    const weir = await start(await replicaWith());
    const growth = growthOf(weir);
    const socket = attacker(weir);
    const both = Buffer.concat([frame(WINDOW_UPDATE, 0, 0, u32(1)), frame(WINDOW_UPDATE, 0, 1, u32(1))]);
    const flooded = socket.flood([head(1), ...times(300_000, both)]);
    await othersAreAnswered(weir);
    await flooded;
    expect(growth()).toBeLessThan(60);
    socket.socket.destroy();
    await nothingIsLeft(weir);
  });

  it('heads that unpack to a thousand times their size are refused unread', async () => {
    const replica = await replicaWith();
    const weir = await start(replica);
    const growth = growthOf(weir);
    const socket = attacker(weir);
    // One header of 4,000 bytes goes into the table; then 12,000 bytes that each stand for it: 48 MB a head.
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x62, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x61)]);
    const bomb = Buffer.concat([CALL_HEAD, entry, Buffer.alloc(12_000, 0xbe)]);
    const flooded = socket.flood(streams(200, (s) => [frame(HEADERS, END_HEADERS | END_STREAM, s, bomb)]));
    await othersAreAnswered(weir);
    await flooded;
    const refused = () => socket.frames.filter(({ type }) => type === RST_STREAM).length;
    await until('all are refused', () => socket.isClosed || refused() === 200);
    expect(growth()).toBeLessThan(60);
    expect(replica.streams).toBe(1);
    await nothingIsLeft(weir);
  });

  it('messages in frames of one byte, kept for a replica that does not answer', async () => {
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
    // As the windows of the streams allow: a fifth of one at a time, each as it is opened again.
    let sent = 0;
    while (sent < SIZE) {
      const part = Math.min(12_500, SIZE - sent);
      for (let stream = 1; stream < 2 * CALLS; stream += 2) {
        const one = frame(DATA, 0, stream, Buffer.from('x'));
        socket.socket.write(Buffer.concat(Array.from({ length: part }, () => one)));
      }
      sent += part;
      await until('there is room for more', () => {
        for (let stream = 1; stream < 2 * CALLS; stream += 2)
          if (65_535 + socket.windowOf(stream) - (sent + 5) < 12_500) return false;
        return true;
      });
    }
    expect(growth()).toBeLessThan(80);
    await othersAreAnswered(weir);
    socket.socket.destroy();
    await nothingIsLeft(weir);
  }, 60_000);

  it('calls in line whose messages come in crumbs are refused when there are too many; others wait on', async () => {
    const replica = await replicaWith((stream) => stream.resume());
    const weir = await start(replica, '--deployment-concurrency-target=1');
    const growth = growthOf(weir);
    const first = attacker(weir);
    first.socket.write(head(1));
    await until('the replica has it', () => replica.streams === 1);
    const message = Buffer.concat([Buffer.from([0]), u32(65_000)]);
    // In pieces of a thousand bytes, as honest ones come.
    const honest = attacker(weir);
    await honest.flood([
      head(1),
      frame(DATA, 0, 1, message),
      ...times(40, frame(DATA, 0, 1, Buffer.alloc(1000))),
    ]);
    const socket = attacker(weir);
    const flooded = socket.flood(
      (function* () {
        for (let stream = 1; stream < 41; stream += 2) {
          yield Buffer.concat([head(stream), frame(DATA, 0, stream, message)]);
          yield* times(60_000, frame(DATA, 0, stream, Buffer.from('x')));
        }
      })(),
    );
    await until('some are refused', async () => ((await weir.page()).value(ENDED('bad_request')) ?? 0) > 0);
    await flooded;
    // All of them would be a million pieces: some 250 MB.
    expect(growth()).toBeLessThan(150);
    const isHonestAnswered = () => honest.frames.some(({ type }) => type === HEADERS || type === RST_STREAM);
    expect(isHonestAnswered()).toBe(false);
    socket.socket.destroy();
    await weir.shows('baseten_concurrent_requests', 2);
    first.socket.destroy();
    await until('the honest one is there', () => replica.streams === 2);
    honest.socket.destroy();
    await nothingIsLeft(weir);
  }, 60_000);

  it('windows that are never opened: answers wait at the replica, and the calls are ended', async () => {
    let written = 0;
    const replica = await replicaWith((stream) => {
      stream.respond(ANSWER);
      const block = Buffer.alloc(64 * 1024);
      block.writeUInt32BE(100 * MIB, 1);
      const fill = () => {
        for (let more = true; more && !stream.destroyed; written += block.length) more = stream.write(block);
      };
      stream.on('drain', fill);
      fill();
    });
    const weir = await start(replica, '--proxy-idle-timeout=1s');
    const growth = growthOf(weir);
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    const socket = attacker(weir, Buffer.from([0, 4, 0, 0, 0, 0]));
    const CALLS = 400;
    await socket.flood(streams(CALLS, (s) => [head(s, END_STREAM)]));
    await until('the replica has some', () => replica.streams >= 50);
    await othersAreAnswered(weir);
    await until(
      'they are ended',
      async () => ((await weir.page()).value(ENDED('client_stalled')) ?? 0) >= 50,
    );
    // What one stream may hold is its window on the side of the replica, and a little.
    expect(growth()).toBeLessThan(100);
    expect(written).toBeLessThan(CALLS * 512 * 1024);
    await nothingIsLeft(weir);
    await othersAreAnswered(weir);
  }, 60_000);

  it('windows that are opened byte by byte', async () => {
    const replica = await replicaWith((stream) => {
      stream.respond(ANSWER);
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
    await othersAreAnswered(weir);
    await flooded;
    expect(growth()).toBeLessThan(80);
    // A byte now and then is no progress that would keep them for ever.
    await nothingIsLeft(weir);
  }, 60_000);

  it('calls that are begun and left: their clients have the time of any body, no more', async () => {
    const replica = await replicaWith();
    const weir = await start(replica, '--proxy-idle-timeout=500ms');
    const growth = growthOf(weir);
    const socket = attacker(weir);
    await socket.flood(streams(1000, (s) => [head(s)]));
    await othersAreAnswered(weir);
    await weir.shows(ENDED('request_timeout'), 1000, 30_000);
    expect(growth()).toBeLessThan(80);
    await nothingIsLeft(weir);
    await until('none runs at the replica', () => replica.codes.length === replica.streams);
  }, 60_000);

  it('requests that wait for a replica that does not read: the next call gets to it', async () => {
    // Its windows are those of the protocol, and it reads nothing.
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
    await until('the replica has them', () => replica.streams === CALLS);
    await othersAreAnswered(weir);
    expect(growth()).toBeLessThan(150);
    socket.socket.destroy();
    await nothingIsLeft(weir);
  }, 60_000);

  it('a head that is never finished is silence', async () => {
    const weir = await start(await replicaWith(), '--ingress-keep-alive-timeout=300ms');
    const socket = attacker(weir);
    socket.socket.write(frame(HEADERS, 0, 1, CALL_HEAD));
    await until('the connection ends', () => socket.isClosed);
    await nothingIsLeft(weir);
  });
});

describe('a replica’s connection is shared, its limits are not:', () => {
  const isEnded = (socket: H2Socket) =>
    socket.frames.some(({ type, stream }) => stream > 0 && (type === HEADERS || type === RST_STREAM));

  it('clients that reset what they begin do not make the replica cut off the calls of others', async () => {
    // As Node has it, it ends a connection after some thousand resets.
    const replica = await replicaWith();
    const weir = await start(replica);
    const honest = attacker(weir);
    honest.socket.write(head(1));
    await until('the replica has it', () => replica.streams === 1);
    for (let round = 0; round < 3; round++) {
      const socket = attacker(weir);
      for (let next = 1; next < 1200; next += 200) {
        const batch = Array.from({ length: 100 }, (_, i) => next + 2 * i);
        const seen = replica.streams;
        socket.socket.write(Buffer.concat(batch.map((stream) => head(stream))));
        await until('the replica has them', () => replica.streams >= seen + batch.length);
        socket.socket.write(Buffer.concat(batch.map((stream) => reset(stream))));
      }
    }
    await until('all are reset there', () => replica.codes.length === 1800);
    await othersAreAnswered(weir);
    expect(isEnded(honest)).toBe(false);
    expect(replica.sessions.size).toBeLessThan(8);
    honest.socket.destroy();
    await nothingIsLeft(weir);
  }, 60_000);

  it('nor does one that goes away with a thousand calls', async () => {
    const replica = await replicaWith();
    const weir = await start(replica);
    const honest = attacker(weir);
    honest.socket.write(head(1));
    await until('the replica has it', () => replica.streams === 1);
    for (let round = 1; round <= 2; round++) {
      const socket = attacker(weir);
      await socket.flood(streams(1000, (s) => [head(s)]));
      await until('the replica has them', () => replica.streams === 1 + 1000 * round);
      socket.socket.destroy();
      await until('all are reset there', () => replica.codes.length === 1000 * round);
    }
    await othersAreAnswered(weir);
    expect(isEnded(honest)).toBe(false);
    honest.socket.destroy();
    await nothingIsLeft(weir);
  }, 60_000);

  it('an answer that its client does not read fills one connection, and others are answered over another', async () => {
    let hasSettled = false;
    const serve: Parameters<typeof startH2Replica>[0] = (stream, headers) => {
      stream.respond(ANSWER, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      if (headers[':path'] !== '/x.Y/Z') return stream.end(Buffer.alloc(5));
      const message = Buffer.alloc(5 + 20 * MIB);
      message.writeUInt32BE(20 * MIB, 1);
      stream.end(message);
      const session = stream.session!;
      // As much is sent as there is room for: window by window, each before a ping that is answered.
      const settle = (left: number) =>
        session.ping(() => (left === 0 ? (hasSettled = true) : settle(left - 1)));
      settle(8);
      return undefined;
    };
    // As Node’s own servers are: with more than ten megabytes waiting, a connection gets no more streams.
    const replica = await startH2Replica(serve, {}, { maxSessionMemory: 10 });
    const weir = await start(replica);
    const socket = attacker(weir, Buffer.from([0, 4, 0, 0, 0, 0]));
    socket.socket.write(head(1, END_STREAM));
    await until('it stands still', () => hasSettled);
    for (let i = 0; i < 20; i++) await othersAreAnswered(weir);
    expect(isEnded(socket) && socket.frames.some(({ type }) => type === RST_STREAM)).toBe(false);
    // Probes have connections of their own, which end.
    await until('there are two', () => replica.sessions.size === 2);
    socket.socket.destroy();
    await nothingIsLeft(weir);
  }, 60_000);
});

it('a head beyond the limit is refused, and the connection of others serves on', async () => {
  const weir = await start(await replicaWith());
  const metadata = [['x-big', 'x'.repeat(60_000)]] as const;
  const { code } = await new TestClient(weir.port).unary('emptyCall', {}, { metadata }).outcome;
  expect(code).not.toBe(0);
  await othersAreAnswered(weir);
});
