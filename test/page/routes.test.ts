// Addresses of the page, and numbers and times as it shows them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ago,
  bytes,
  clock,
  count,
  duration,
  iso,
  memory,
  moment,
  money,
  share,
  text,
  visible,
  visibleLine,
} from '../../page/formats.ts';
import { parse, print, SECTIONS, type Place, type Route } from '../../page/routes.ts';

const id = fc.string({ minLength: 1, unit: 'binary' }).filter((one) => one.isWellFormed());
const route: fc.Arbitrary<Route> = fc.oneof(
  fc.constantFrom({ page: 'overview' } as const, { page: 'logs' } as const, { page: 'monitor' } as const),
  fc.record({ page: fc.constantFrom('request', 'trace', 'find'), id }),
  fc.record({ page: fc.constant('exports' as const), id: fc.option(id, { nil: undefined }) }),
  fc.record({
    page: fc.constant('settings' as const),
    section: fc.constantFrom(...SECTIONS),
    id: fc.option(id, { nil: undefined }),
  }),
);
const params = fc.dictionary(
  fc.oneof(fc.constantFrom('q', 'env', 'since', 'open', 'cols'), id),
  id.filter((one) => one !== ''),
  { noNullPrototype: true },
);
const place: fc.Arbitrary<Place> = fc.record({ route, params });

describe('an address of the page', () => {
  it('brings back the place that it was made of', () => {
    fc.assert(
      fc.property(place, (one) => {
        expect(parse(print(one))).toEqual(one);
      }),
    );
  });

  it('is the same for the same place in whatever order its parameters were set', () => {
    fc.assert(
      fc.property(place, (one) => {
        const reversed = Object.fromEntries(Object.entries(one.params).reverse());
        expect(print({ ...one, params: reversed })).toBe(print(one));
      }),
    );
  });

  it('keeps a parameter of any name', () => {
    const address = '/ui/logs?__proto__=a&constructor=b';
    expect(print(parse(address))).toBe(address);
  });

  it('shows a query as people type it', () => {
    const q = 'status:5xx replica:abc12 "out of memory"';
    const address = print({ route: { page: 'logs' }, params: { since: '6h', q } });
    expect(address).toBe('/ui/logs?q=status:5xx+replica:abc12+%22out+of+memory%22&since=6h');
  });

  it('that the page does not know is kept as it is', () => {
    for (const address of ['/ui/nothing', '/ui/logs/x', '/ui/settings/x', '/ui/r', '/ui/a/b/c/d'])
      expect(parse(address).route).toEqual({ page: 'unknown', path: address });
  });

  it('with an escape that is broken names what was typed', () => {
    expect(parse('/ui/id/100%').route).toEqual({ page: 'find', id: '100%' });
  });
});

describe('a figure', () => {
  it.each([
    [duration(0), '0 ms'],
    [duration(0.42), '0.42 ms'],
    [duration(8.21), '8.2 ms'],
    [duration(318.4), '318 ms'],
    [duration(2130), '2.13 s'],
    [duration(59_994), '60.0 s'],
    [duration(252_000), '4m 12 s'],
    [duration(3_840_000), '1h 04 m'],
    [duration(3 * 86_400_000 + 2 * 3_600_000), '3d 2 h'],
    [duration(null), '–'],
    [count(9999), '9\u202f999'],
    [count(9_100_000), '9.10 M'],
    [count(undefined), '–'],
    [bytes(214_000_000), '214 MB'],
    [memory(77_093_404_672), '71.8 GiB'],
    [share(0.0421), '4.21 %'],
    [share(0.00001), '< 0.01 %'],
    [share(0), '0 %'],
    [share(null), '–'],
  ])('%j reads %s', (figure, shown) => {
    expect(text(figure)).toBe(shown);
  });

  it('never says 0 for a duration, a share or a sum that is above 0', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.005, max: 1e12, noNaN: true }), (n) => {
        expect(text(duration(n))).not.toMatch(/^0 /);
        expect(text(share(n / 1e6))).not.toMatch(/^0(?:\.00)? /);
        expect(money(n / 1e9)).not.toMatch(/^\$ 0$/);
      }),
    );
  });

  it('of money says that a price is unknown', () => {
    expect([money(null), money(0), money(0.002318), money(81.9)]).toEqual([
      'unknown',
      '$ 0',
      '$ 0.002318',
      '$ 81.9',
    ]);
  });
});

describe('a time', () => {
  const at = Date.parse('2026-11-27T03:14:21.904Z');

  it('has the date if it is not of today', () => {
    expect(clock(at, 'UTC')).toBe('03:14:21.904');
    expect(moment(at, 'UTC', at + 3_600_000)).toBe('03:14:21');
    expect(moment(at, 'UTC', at + 86_400_000)).toBe('27 Nov 03:14:21');
    expect(moment(at, 'UTC', at + 400 * 86_400_000)).toBe('27 Nov 2026 03:14:21');
  });

  it('in local time names the same moment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (ms) => {
        expect(Date.parse(iso(ms, 'local'))).toBe(ms);
        expect(Date.parse(iso(ms, 'UTC'))).toBe(ms);
      }),
    );
  });

  it('says how long ago it was', () => {
    expect([ago(at, at + 4000), ago(at, at + 120_000), ago(at, at - 7_200_000)]).toEqual([
      '4 s ago',
      '2 min ago',
      'in 2 h',
    ]);
  });
});

describe('text of a log', () => {
  it('shows characters that cannot be seen, and no colour codes', () => {
    expect(visible('a\u001b[31mred\u001b[0m\u0000b')).toBe('ared␀b');
    expect(visible('user\u202egnp.exe')).toBe('user⟨U+202E⟩gnp.exe');
    expect(visible('zero\u200bwidth\u007f')).toBe('zero⟨U+200B⟩width␡');
  });

  it('is one line in a row', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (one) => {
        expect(visibleLine(one)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
      }),
    );
  });
});
