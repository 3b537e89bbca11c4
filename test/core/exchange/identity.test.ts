import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import { identify, isValidTraceparent } from '../../../src/core/exchange/identity.ts';

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
