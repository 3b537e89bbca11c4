import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import {
  childSpanId,
  derivedSpanId,
  derivedTraceId,
  identify,
  isValidTraceparent,
  traceIdOf,
} from '../../../src/core/exchange/identity.ts';

describe('a request id', () => {
  it('has 37 lowercase hex characters and sorts by time', () => {
    const times = [0, 1, 1_700_000_000_000, 1_800_000_000_000];
    const ids = times.map((ms) => identify(ms, undefined));
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{37}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(Number.parseInt(ids[2]!.slice(0, 12), 16)).toBe(1_700_000_000_000);
  });

  it('does not repeat within a millisecond', () => {
    expect(new Set(Array.from({ length: 10_000 }, () => identify(5, undefined))).size).toBe(10_000);
  });

  it('is that of a trusted client if it is well formed', () => {
    expect(identify(5, 'abc-123_X.y')).toBe('abc-123_X.y');
    for (const bad of ['', 'a:b', 'a b', 'x'.repeat(257), 'a"b', 'ä', 'a\nb'])
      expect(identify(5, bad)).toMatch(/^[0-9a-f]{37}$/);
  });
});

describe('traceparent', () => {
  const trace = 'a'.repeat(32);
  const span = 'b'.repeat(16);
  it.each([
    [`00-${trace}-${span}-01`, true],
    [`cc-${trace}-${span}-01-what-may-come`, true],
    [`00-${trace}-${span}-01-more`, false],
    [`ff-${trace}-${span}-01`, false],
    [`00-${'0'.repeat(32)}-${span}-01`, false],
    [`00-${trace}-${'0'.repeat(16)}-01`, false],
    [`00-${trace.toUpperCase()}-${span}-01`, false],
    [`00-${trace}-${span}`, false],
    ['', false],
  ])('%s is valid: %s', (value, isValid) => expect(isValidTraceparent(value)).toBe(isValid));

  const anything = fc.option(
    fc.oneof(fc.string(), fc.constantFrom(`00-${trace}-${span}-01`, `cc-${trace}-${span}-fe-x`)),
    { nil: undefined },
  );

  it('is passed on if it is valid, else left out, with tracing off', () => {
    fc.assert(
      fc.property(anything, (inbound) => {
        const exchange = new Exchanges({ trust_inbound: false }).open(undefined);
        const isValid = inbound !== undefined && isValidTraceparent(inbound);
        expect(exchange.trace(inbound)).toBe(isValid ? inbound : '');
        expect(exchange.ownTraceparent).toBe(isValid ? inbound : '');
        expect(exchange.isClientTrace).toBe(isValid);
      }),
    );
  });

  it('is always valid, and keeps only the random flag of the client, with tracing on', () => {
    const exchanges = new Exchanges({ trust_inbound: false });
    exchanges.sample(() => true);
    fc.assert(
      fc.property(anything, (inbound) => {
        const exchange = exchanges.open(undefined);
        expect(isValidTraceparent(exchange.trace(inbound))).toBe(true);
        expect(isValidTraceparent(exchange.ownTraceparent)).toBe(true);
      }),
    );
    for (const [sent, passed] of [
      ['00', '01'],
      ['01', '01'],
      ['02', '03'],
      ['03', '03'],
      ['ff', '03'],
      ['fd', '01'],
    ]) {
      const exchange = exchanges.open(undefined);
      expect(exchange.trace(`00-${trace}-${span}-${sent}`).slice(-3)).toBe(`-${passed}`);
      expect(exchange.ownTraceparent.slice(-3)).toBe(`-${passed}`);
    }
  });
});

describe('ids of a trace', () => {
  const traced = (options = { trust_inbound: false }) => {
    const exchanges = new Exchanges(options);
    exchanges.sample(() => true);
    return exchanges;
  };

  it('are the last digits of the request id, so that the request id is enough to know them', () => {
    const exchange = traced().open(undefined);
    const traceparent = exchange.trace(undefined);
    expect(exchange.id.endsWith(traceIdOf(traceparent))).toBe(true);
    expect(exchange.id.endsWith(exchange.spanId)).toBe(true);
    expect(traceIdOf(traceparent)).toBe(derivedTraceId(exchange.id));
    expect(exchange.spanId).toBe(derivedSpanId(exchange.id));
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });

  it("are the client's trace and a span of the request id, if the client sent a traceparent", () => {
    const exchange = traced().open(undefined);
    const trace = 'a'.repeat(32);
    expect(traceIdOf(exchange.trace(`00-${trace}-${'b'.repeat(16)}-01`))).toBe(trace);
    expect(exchange.spanId).toBe(derivedSpanId(exchange.id));
  });

  it('differ between requests with one id: the runs of a task, and requests with an id of their client', () => {
    const exchanges = traced({ trust_inbound: true });
    const submit = exchanges.open(undefined);
    const all = [
      submit,
      exchanges.openAs(submit.id),
      exchanges.openAs(submit.id),
      // A weir in front of this one sends its request id, which has the same form.
      exchanges.open(submit.id),
    ];
    const traceIds = all.map((exchange) => traceIdOf(exchange.trace(undefined)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(new Set(all.map(({ spanId }) => spanId)).size).toBe(4);
    expect(new Set(traceIds).size).toBe(4);
    const named = exchanges.open('my-id');
    expect(isValidTraceparent(named.trace(undefined))).toBe(true);
    expect(named.id).toBe('my-id');
  });

  const digits = (count: number) =>
    fc.string({
      unit: fc.constantFrom(...Array.from('000000000123456789abcdef')),
      minLength: count,
      maxLength: count,
    });

  it('are never invalid, whatever the request id is', () => {
    const zeros = [
      '0'.repeat(37),
      `${'f'.repeat(5)}${'0'.repeat(32)}`,
      `${'f'.repeat(21)}${'0'.repeat(15)}1`,
    ];
    const id = fc.oneof(
      digits(37),
      fc.string(),
      fc.tuple(digits(21), fc.constantFrom('0'.repeat(16))).map((parts) => parts.join('')),
      fc.constantFrom(...zeros, 'A'.repeat(37), 'a'.repeat(36), 'a'.repeat(38), `${'a'.repeat(37)}\n`),
    );
    fc.assert(
      fc.property(id, (requestId) => {
        const traceId = derivedTraceId(requestId);
        const spanId = derivedSpanId(requestId);
        const isOwn = requestId.length === 37 && /^[0-9a-f]*$/.test(requestId) && !requestId.includes('\n');
        if (!isOwn) expect([traceId, spanId]).toEqual([undefined, undefined]);
        if (traceId !== undefined)
          expect(isValidTraceparent(`00-${traceId}-${'b'.repeat(16)}-01`)).toBe(true);
        if (spanId === undefined) return;
        for (let n = 0; n < 16; n++)
          expect(isValidTraceparent(`00-${'a'.repeat(32)}-${childSpanId(spanId, n)}-01`)).toBe(true);
      }),
    );
    for (const zero of zeros) expect(derivedSpanId(zero)).toBeUndefined();
    expect(derivedTraceId(zeros[1]!)).toBeUndefined();
  });

  it('are random where the request id gives none', () => {
    const exchange = traced({ trust_inbound: true }).open('0'.repeat(37));
    expect(isValidTraceparent(exchange.trace(undefined))).toBe(true);
  });
});
