// The rows and the time axis of a waterfall.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idleGaps, timeScale } from '../../page/pages/request/time-scale.ts';
import {
  busyTimes,
  factsText,
  firstTokenOf,
  lookOf,
  waterfallRows,
} from '../../page/pages/request/waterfall-rows.ts';
import { threadItems, threadSpans } from '../../page/pages/request/thread-items.ts';
import type { RequestJson, ShownBody } from '../../src/control/admin/records/request-json.ts';
import type { FlatLineJson, FlatSpanJson } from '../../src/control/admin/records/trace-json.ts';

const span = (id: string, depth: number, more: Partial<FlatSpanJson> = {}): FlatSpanJson => ({
  span_id: id,
  parent_span_id: null,
  depth,
  children: 0,
  type: 'span',
  name: id,
  start_ns: '0',
  offset_ms: 0,
  duration_ms: 100,
  is_error: false,
  events: [],
  place: id,
  ...more,
});

const line = (place: string, spanId: string | null, offsetMs: number, level = 'INFO'): FlatLineJson => ({
  timestamp: '',
  timestamp_ns: '0',
  offset_ms: offsetMs,
  level,
  message: place,
  place,
  span_id: spanId,
});

const shortRows = (
  spans: readonly FlatSpanJson[],
  lines: readonly FlatLineJson[],
  shown: 'none' | 'all' | 'warn' = 'all',
  folded: readonly string[] = [],
): string[] =>
  waterfallRows(spans, lines, shown, new Set(folded)).map(
    (row) => `${' '.repeat(row.depth)}${row.kind === 'span' ? row.span.name : `“${row.line.message}”`}`,
  );

const TREE = [
  span('a', 0, { children: 2 }),
  span('b', 1, { offset_ms: 10, children: 1 }),
  span('c', 2, { offset_ms: 20 }),
  span('d', 1, { offset_ms: 50 }),
];

describe('rows of a waterfall', () => {
  it('puts a line below its span, before a child that begins later', () => {
    const lines = [line('early', 'a', 5), line('in c', 'c', 30), line('late', 'a', 90)];
    expect(shortRows(TREE, lines)).toEqual(['a', ' “early”', ' b', '  c', '   “in c”', ' d', ' “late”']);
  });

  it('shows all lines, those from WARN on, or none', () => {
    const lines = [line('info', 'a', 1), line('warn', 'a', 2, 'WARN'), line('error', 'd', 60, 'ERROR2')];
    expect(shortRows(TREE, lines, 'warn')).toEqual(['a', ' “warn”', ' b', '  c', ' d', '  “error”']);
    expect(shortRows(TREE, lines, 'none')).toEqual(['a', ' b', '  c', ' d']);
  });

  it('hides what is below a folded span, and its lines', () => {
    const lines = [line('in b', 'b', 12), line('in c', 'c', 30), line('in d', 'd', 60)];
    expect(shortRows(TREE, lines, 'all', ['b'])).toEqual(['a', ' b', ' d', '  “in d”']);
    expect(shortRows(TREE, lines, 'all', ['a'])).toEqual(['a']);
  });

  it('keeps lines that belong to no span', () => {
    expect(shortRows(TREE, [line('alone', null, 3)]).at(-1)).toBe('“alone”');
    expect(shortRows([], [line('alone', null, 3)])).toEqual(['“alone”']);
  });

  it('shows each span and line once, whatever the tree', () => {
    const trees = fc.array(fc.record({ depth: fc.nat(4), offset: fc.nat(1000) }), { maxLength: 30 });
    fc.assert(
      fc.property(trees, fc.array(fc.record({ of: fc.nat(40), at: fc.nat(1000) })), (tree, marks) => {
        let depth = -1;
        const spans = tree.map((one, i) =>
          span(String(i), (depth = Math.min(one.depth, depth + 1)), { offset_ms: one.offset }),
        );
        const lines = marks
          .map(({ of, at }, i) => line(`l${i}`, spans[of]?.span_id ?? null, at))
          .sort((a, b) => a.offset_ms - b.offset_ms);
        const ids = waterfallRows(spans, lines, 'all', new Set()).map(({ id }) => id);
        expect(ids.toSorted()).toEqual(
          [...spans.map((one) => one.span_id), ...lines.map(({ place }) => `line ${place}`)].toSorted(),
        );
        expect(ids.filter((id) => !id.startsWith('line'))).toEqual(spans.map((one) => one.span_id));
      }),
    );
  });

  it('marks the first token in the time of the replica', () => {
    const request = span('r', 0, {
      type: 'request',
      events: [{ name: 'weir.first_token', offset_ms: 40 }],
    });
    const replica = span('m', 1, { type: 'replica', parent_span_id: 'r', offset_ms: 10 });
    const all = new Map([request, replica].map((one) => [one.span_id, one]));
    expect(firstTokenOf(replica, all)).toBe(40);
    expect(firstTokenOf(request, all)).toBeUndefined();
    expect(firstTokenOf({ ...replica, offset_ms: 60 }, all)).toBeUndefined();
  });

  it('tells spans of tools, models and scores of other programs apart', () => {
    expect(lookOf(span('a', 0, { type: 'row', facts: { type: 'tool' } }))).toBe('tool');
    expect(lookOf(span('a', 0, { facts: { operation: 'chat' } }))).toBe('model');
    expect(lookOf(span('a', 0, { type: 'row', facts: { type: 'score' } }))).toBe('score');
    expect(lookOf(span('async /predict', 0, { type: 'request' }))).toBe('run');
    expect(lookOf(span('a', 0))).toBe('task');
  });

  it('says status, replica and attempts of a request', () => {
    const request = span('r', 0, { type: 'request', status: 200, replica: 'r1', facts: { attempts: 2 } });
    expect(factsText(request)).toBe('200 · r1 · 2 attempts');
    expect(
      factsText(span('h', 0, { type: 'delivery', status: 503, facts: { host: 'h.example', attempt: 1 } })),
    ).toBe('503 · h.example · delivery 1');
  });
});

describe('time axis', () => {
  it('folds the wait of an asynchronous request, which is much longer than its runs', () => {
    const spans = [
      span('submit', 0, { type: 'request', children: 2, duration_ms: 100 }),
      span('wait', 1, { type: 'async_wait', offset_ms: 0, duration_ms: 252_000 }),
      span('run', 1, { offset_ms: 252_000, duration_ms: 2000 }),
    ];
    const gaps = idleGaps(busyTimes(spans, []), 254_000);
    expect(gaps).toEqual([{ fromMs: 0, toMs: 252_000 }]);
    const scale = timeScale(254_000, gaps);
    expect(scale.partOf(252_000)).toBeCloseTo(0.06, 5);
    expect(scale.partOf(253_000)).toBeCloseTo(0.53, 5);
    expect(scale.partOf(254_000)).toBe(1);
  });

  it('folds nothing in a trace that is busy', () => {
    expect(
      idleGaps(
        [
          { fromMs: 0, toMs: 100 },
          { fromMs: 600, toMs: 900 },
        ],
        1000,
      ),
    ).toEqual([]);
    expect(idleGaps([], 1000)).toEqual([]);
  });

  it('has round times, and the end', () => {
    const { ticks } = timeScale(5920);
    expect(ticks.map(({ ms }) => ms)).toEqual([0, 1000, 2000, 3000, 4000, 5000, 5920]);
  });

  it('grows with time, from 0 to 1, for any gaps', () => {
    const spans = fc.array(fc.tuple(fc.nat(1e6), fc.nat(50)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(spans, fc.array(fc.nat(1_100_000), { minLength: 2 }), (busy, times) => {
        const all = busy.map(([fromMs, ms]) => ({ fromMs, toMs: fromMs + ms }));
        const total = Math.max(...all.map(({ toMs }) => toMs), 1);
        const scale = timeScale(total, idleGaps(all, total));
        const parts = times.sort((a, b) => a - b).map(scale.partOf);
        expect(parts).toEqual([...parts].sort((a, b) => a - b));
        expect(scale.partOf(0)).toBeCloseTo(0, 6);
        expect(scale.partOf(total)).toBeCloseTo(1, 6);
        const ticks = scale.ticks.map(({ part }) => part);
        expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
        expect(ticks.length).toBeLessThan(16);
      }),
    );
  });
});

describe('thread of a trace', () => {
  const body = (text: string): ShownBody => ({ state: 'kept', bytes: 1, kept_bytes: 1, text });
  const talk = (messages: readonly object[], answer: string): Pick<RequestJson, 'bodies' | 'scores'> => ({
    bodies: {
      request: body(JSON.stringify({ model: 'm', messages })),
      response: body(
        JSON.stringify({
          choices: [{ message: { role: 'assistant', content: answer }, finish_reason: 'stop' }],
        }),
      ),
    },
    scores: [],
  });

  it('shows each message once, though later requests send it again, and tools between them', () => {
    const asked = { role: 'user', content: 'How much?' };
    const more = { role: 'user', content: 'And for twelve?' };
    const spans = threadSpans([
      span('first', 0, { type: 'request' }),
      span('model', 1, { type: 'replica' }),
      span('second', 0, { type: 'request', offset_ms: 900 }),
      span('search', 0, { type: 'row', facts: { type: 'tool' }, offset_ms: 500 }),
    ]);
    const details = new Map([
      ['first', talk([asked], '$ 18')],
      ['second', talk([asked, { role: 'assistant', content: '$ 18' }, more], '$ 216')],
    ]);
    const said = threadItems(spans, details).map((item) =>
      item.kind === 'span'
        ? `(${item.span.name})`
        : item.messages.map(({ parts: [part] }) => (part as { readonly text: string }).text).join(' / '),
    );
    expect(said).toEqual(['How much? / $ 18', '(search)', 'And for twelve? / $ 216']);
  });

  it('keeps the place of a request that is not read yet', () => {
    const items = threadItems([span('first', 0, { type: 'request' })], new Map());
    expect(items).toMatchObject([{ kind: 'request', messages: [], isRead: false }]);
  });
});
