// The lines of the access log, as the recorder makes them from frames.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Exchanges, type Exchange } from '../../../../src/core/exchange/exchange.ts';
import { ringMemory, RingReader, RingWriter } from '../../../../src/core/ring.ts';
import { AccessLines } from '../../../../src/telemetry/logs/recorder/access-lines.ts';
import { FRAME } from '../../../../src/telemetry/logs/recorder/frames.ts';
import { FrameWriter } from '../../../../src/telemetry/logs/recorder/frame-writer.ts';
import { LlmFrame } from '../../../../src/telemetry/logs/recorder/llm-frame.ts';
import { RequestFrames } from '../../../../src/telemetry/logs/recorder/request-frames.ts';
import { accessTextLine, jsonLine } from '../../../kit/access-log-lines.ts';

const DEPLOYMENT = { id: 'dep1', environment: 'production' };
const exchanges = new Exchanges({ trust_inbound: true });

const ended = (changes: Partial<Exchange> = {}, inboundId?: string): Exchange => {
  const exchange = exchanges.open(inboundId);
  Object.assign(exchange, { method: 'GET', target: '/x', ...changes });
  exchange.close('ok', 200);
  Object.assign(exchange, changes);
  return exchange;
};

/** The lines of exchanges that went through a ring. */
function linesOf(all: readonly Exchange[], isText = false, isRouted = true): string {
  const memory = ringMemory(2 ** 20);
  const frames = new FrameWriter(new RingWriter(memory));
  const ring = new RingReader(memory);
  const requests = new RequestFrames();
  const lines = new AccessLines(isText);
  const llm = new LlmFrame();
  for (const exchange of all) {
    expect(frames.request(exchange, isRouted ? DEPLOYMENT : undefined, true, false)).toBe(true);
    const u8 = ring.take();
    const bytes = { u8, u32: new Uint32Array(u8.buffer), f64: new Float64Array(u8.buffer) };
    for (let at = 0; at < u8.length; at += bytes.u32[at >> 2]!) {
      const kind = bytes.u32[(at >> 2) + 1]! & 0xff;
      if (kind === FRAME.text)
        requests.addText(Buffer.from(u8.buffer, at + 12, bytes.u32[(at >> 2) + 2]).toString());
      else if (kind === FRAME.forget) requests.forget();
      else if (kind === FRAME.llm) llm.read(bytes, at);
      else if (kind === FRAME.request) requests.addLine(bytes, at, llm, lines);
    }
  }
  return Buffer.from(lines.take(true) ?? []).toString();
}

const ms = fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1e7, noNaN: true }));
const text = fc.string({ unit: 'grapheme' });

const anyExchange = fc
  .record({
    target: text,
    method: fc.constantFrom('GET', 'POST', 'M-SEARCH'),
    detail: text,
    remoteAddress: fc.constantFrom('', '10.0.0.1', '::1'),
    clientSubject: fc.constantFrom('', 'CN=client,O="Example"'),
    replica: fc.constantFrom('', 'abc12'),
    key: fc.constantFrom('', 'app', 'my "app"'),
    protocol: fc.constantFrom<Exchange['protocol']>('http', 'websocket', 'grpc'),
    status: fc.integer({ min: 0, max: 4999 }),
    cause: fc.constantFrom<NonNullable<Exchange['cause']>>('ok', 'client_gone', 'timeout' as never),
    attempts: fc.integer({ min: 0, max: 300 }),
    isAsync: fc.boolean(),
    requestBytes: fc.maxSafeNat(),
    responseBytes: fc.maxSafeNat(),
    waited: ms,
    head: ms,
    firstByte: ms,
    duration: ms,
    inboundId: fc.constantFrom(undefined, 'my-own.id_7', 'deadbeef', 'abc'),
  })
  .map(({ waited, head, firstByte, duration, inboundId, ...facts }) => {
    const exchange = ended(facts, inboundId);
    const { startMs } = exchange;
    Object.assign(exchange, {
      waitedMs: Math.round(waited * 1000) / 1000,
      headMs: head === 0 ? 0 : startMs + Math.round(head * 1000) / 1000,
      firstByteMs: firstByte === 0 ? 0 : startMs + Math.round(firstByte * 1000) / 1000,
      // Far from what rounds up or down, for JSON and for text alike.
      endMs: startMs + Math.floor(duration * 10) / 10 + 0.0123,
    });
    return exchange;
  });

it('are byte for byte those that were made field by field', () => {
  fc.assert(
    fc.property(fc.array(anyExchange, { maxLength: 20 }), (all) => {
      expect(linesOf(all)).toBe(all.map((one) => jsonLine(one, DEPLOYMENT)).join(''));
      expect(linesOf(all, true)).toBe(all.map((one) => accessTextLine(one, DEPLOYMENT)).join(''));
      expect(linesOf(all, false, false)).toBe(all.map((one) => jsonLine(one, undefined)).join(''));
    }),
  );
});

it('are one line of valid JSON each, whatever the client sent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (target, detail) => {
      const line = linesOf([ended({ target, detail })]);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const parsed = JSON.parse(line) as Record<string, unknown>;
      expect(parsed['path']).toBe(target.split('?')[0]!.toWellFormed());
    }),
  );
});

it('have no control characters for a terminal', () => {
  const line = linesOf([ended({ target: '/\u001b[2J\r\n' })], true);
  // oxlint-disable-next-line no-control-regex -- the test looks for them
  expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f]/);
});

it('leave out the query, since it may hold secrets', () => {
  for (const isText of [false, true])
    expect(linesOf([ended({ target: '/x?key=secret' })], isText)).not.toContain('secret');
});

it('are right after more paths than are kept by number', () => {
  const all = Array.from({ length: 10_000 }, (_, i) => ended({ target: `/item/${i}` }));
  expect(linesOf(all)).toBe(all.map((one) => jsonLine(one, DEPLOYMENT)).join(''));
});

it('have the time of their request, also after the clock was set back', () => {
  const second = 1_764_000_000_000;
  const times = [0, 7, 7, 99, 100, 999, 1000, 1001, 61_010, -1, -1000, 500].map((ms) => second + ms);
  const lines = linesOf(times.map((time) => ended({ startEpochMs: time })));
  const written = lines.trimEnd().split('\n');
  expect(written.map((line) => (JSON.parse(line) as { time: string }).time)).toEqual(
    times.map((time) => new Date(time).toISOString()),
  );
});

it('keep their memory until they are written, then it is used again', () => {
  const lines = new AccessLines(false);
  const taken: Uint8Array[] = [];
  const take = (areFree: boolean): void => {
    lines.addText(`line ${taken.length}\n`);
    taken.push(lines.take(areFree)!);
  };
  for (let i = 0; i < 4; i++) take(false);
  expect(taken.map((bytes) => Buffer.from(bytes).toString())).toEqual([0, 1, 2, 3].map((n) => `line ${n}\n`));
  expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(4);
  take(true);
  take(true);
  expect(taken[5]!.buffer).toBe(taken[3]!.buffer);
});
