// What the list of places and commands offers, without a browser.
import { describe, expect, it } from 'vitest';
import type { FindJson, FoundJson } from '../../src/control/admin/records/find-json.ts';
import { addressOfFound } from '../../page/pages/find/found-place.ts';
import { goToGroups, type GoToFacts } from '../../page/pages/find/go-to-items.ts';
import { asQuery, idOf, oneOf, shapesOf } from '../../page/pages/find/id-shape.ts';

const ID = '01a21b02d3f18c09e4aa71b2f6d30955e1c4a';

const FOUND: FoundJson = {
  kind: 'request',
  id: ID,
  request_id: ID,
  timestamp: '2026-11-27T03:14:19.000Z',
  timestamp_ns: '1795749259000000000',
  text: 'POST /v1/chat/completions',
};

const answer = (of: Partial<FindJson>): FindJson => ({
  id: '55e1c4a',
  found: [],
  tried: ['request_end'],
  ...of,
});

const offered = (facts: Partial<GoToFacts>) =>
  goToGroups({
    text: '',
    found: undefined,
    describe: ({ text }) => text,
    settings: ['ingress.listen', 'admin.listen', 'logs.capture'],
    questions: ['status:5xx', 'replica:abc12 level>=warn'],
    replicas: [
      { deployment: 'dep1', id: 'abc12', state: 'ready' },
      { deployment: 'dep1', id: 'def34', state: 'down' },
    ],
    here: { route: { page: 'overview' }, params: {} },
    zone: 'UTC',
    localZone: 'Europe/Berlin',
    isDark: true,
    ...facts,
  });

const items = (facts: Partial<GoToFacts>) => offered(facts).flatMap((group) => group.items);

describe('the form of an id', () => {
  it('says what it may be', () => {
    expect(shapesOf(ID)).toEqual(['request']);
    expect(shapesOf('a'.repeat(32))).toEqual(['trace', 'request_end']);
    expect(shapesOf('0123456789abcdef')).toEqual(['span', 'request_end']);
    expect(shapesOf('5b0f3f54-3c7e-4d3c-9d53-7a4c8f0b2a11')).toEqual(['export']);
    expect(shapesOf('184220113')).toEqual(['record', 'request_end']);
    expect(shapesOf('12')).toEqual(['record']);
    expect(shapesOf('timeout')).toEqual([]);
    expect(shapesOf('order-2026-11')).toEqual(['foreign']);
  });

  it('does not mind white space, capitals and the dots of a shortened id', () => {
    expect(idOf(' …955E1C4A\n')).toBe('955e1c4a');
    expect(idOf('Job-7-Run')).toBe('Job-7-Run');
  });

  it('is said in words', () => {
    expect(oneOf(['a request id'])).toBe('a request id');
    expect(oneOf(['a', 'b', 'c'])).toBe('a, b or c');
  });
});

it('quotes a text that has characters of the query language', () => {
  expect(asQuery('timeout')).toBe('timeout');
  expect(asQuery('out of memory')).toBe('"out of memory"');
  expect(asQuery('say "hi"')).toBe(String.raw`"say \"hi\""`);
  expect(asQuery('OR')).toBe('"OR"');
});

describe('what an id names', () => {
  it('has an address for each kind', () => {
    expect(addressOfFound(FOUND)).toBe(`/ui/r/${ID}`);
    expect(addressOfFound({ ...FOUND, kind: 'trace', id: 't1', trace_id: 't1' })).toBe('/ui/trace/t1');
    expect(addressOfFound({ ...FOUND, kind: 'span', id: 's1', trace_id: 't1', span_id: 's1' })).toBe(
      '/ui/trace/t1?span=s1',
    );
    expect(addressOfFound({ ...FOUND, kind: 'export', id: 'e1' })).toBe('/ui/exports/e1');
    expect(addressOfFound({ ...FOUND, kind: 'async', id: ID })).toBe(`/ui/r/${ID}`);
    expect(addressOfFound({ ...FOUND, kind: 'record', id: '7', place: 'p7' })).toBe(
      '/ui/logs?start=2026-11-27T03:13:19.000Z&end=2026-11-27T03:15:19.000Z&open=p7',
    );
  });
});

describe('the list', () => {
  it('offers questions, pages and commands before anything is typed', () => {
    expect(offered({}).map(({ title }) => title)).toEqual(['Logs', 'Pages', 'Do']);
  });

  it('offers to look an id up while there is no answer', () => {
    const [first] = offered({ text: '55e1c4a' });
    expect(first).toMatchObject({ title: 'Looks like the end of a request id' });
    expect(first!.items[0]).toMatchObject({ address: '/ui/id/55e1c4a' });
  });

  it('opens what an id names first', () => {
    const [first] = offered({ text: '55e1c4a', found: answer({ found: [FOUND] }) });
    expect(first).toMatchObject({ title: 'Request, by the end of the id' });
    expect(first!.items[0]).toMatchObject({ address: `/ui/r/${ID}`, marked: '55e1c4a' });
  });

  it('says what was looked up if nothing has an id', () => {
    const [first] = offered({ text: '55e1c4a', found: answer({}) });
    expect(first!.says).toBe('Nothing has this id. It was looked up as the end of a request id.');
  });

  it('offers an id that a client chose only if something has it', () => {
    const text = 'order-2026-11';
    expect(items({ text })[0]).toMatchObject({ id: 'records' });
    const found = answer({ id: text, found: [{ ...FOUND, kind: 'trace', id: text, trace_id: text }] });
    expect(items({ text, found })[0]).toMatchObject({ address: `/ui/trace/${text}` });
    expect(items({ text, found: answer({ id: text }) })[0]).toMatchObject({ id: 'records' });
  });

  it('finds settings by parts of their key', () => {
    expect(items({ text: 'listen' }).filter(({ id }) => id.startsWith('setting'))).toMatchObject([
      { shown: 'ingress.listen', address: '/ui/settings/config?find=ingress.listen' },
      { shown: 'admin.listen' },
    ]);
  });

  it('asks other texts in Logs, and finds questions of before', () => {
    const of = items({ text: 'warn' });
    expect(of).toMatchObject([
      { shown: 'Records that contain warn', address: '/ui/logs?q=warn' },
      { shown: 'replica:abc12 level>=warn' },
    ]);
  });

  it('puts a command first whose name is typed', () => {
    expect(items({ text: 'drain abc' })[0]).toMatchObject({ id: 'drain dep1/abc12' });
    expect(items({ text: 'exp' })[0]).toMatchObject({ shown: 'Exports' });
    expect(items({ text: 'timeout' })[0]).toMatchObject({ shown: 'Records that contain timeout' });
  });

  it('drains only replicas that are ready', () => {
    expect(items({ text: 'drain' }).filter(({ id }) => id.startsWith('drain'))).toMatchObject([
      { id: 'drain dep1/abc12', shown: 'Drain abc12' },
    ]);
    expect(items({ text: '' }).map(({ id }) => id)).toContain('drain');
  });

  it('exports what is shown', () => {
    const here = { route: { page: 'logs' as const }, params: { q: 'status:5xx', since: '6h', open: '7' } };
    expect(items({ text: 'export', here }).map(({ address }) => address)).toContain(
      '/ui/exports/new?q=status:5xx&since=6h',
    );
  });

  it('offers the other zone and the other theme', () => {
    const shown = items({}).map((one) => one.shown);
    expect(shown).toContain('Show times in Europe/Berlin');
    expect(shown).toContain('Light theme');
    expect(items({ zone: 'local', isDark: false }).map((one) => one.shown)).toContain('Show times in UTC');
  });
});
