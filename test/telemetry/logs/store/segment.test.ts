// One segment: its writer and its reader on a real file.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { prefilter } from '../../../../src/telemetry/logs/query/prefilter.ts';
import { startPosition } from '../../../../src/telemetry/logs/store/page-position.ts';
import { SegmentReader } from '../../../../src/telemetry/logs/store/segment-reader.ts';
import { SegmentWriter } from '../../../../src/telemetry/logs/store/segment-writer.ts';
import { folder } from '../../../kit/folder.ts';
import { recordOf } from '../query/arbitrary.ts';

const EVERY = { fromNs: 0n, toNs: 2n ** 62n };

class Segment {
  readonly path = join(folder(), 'logs-20261120-000000000000001.sqlite');
  writer = new SegmentWriter(this.path);
  readonly reader = new SegmentReader(this.path);
  #seq = 1;

  constructor() {
    open.add(this);
  }

  add(...records: Partial<LogRecord>[]): void {
    this.writer.append(
      records.map((record) => ({ record: recordOf(record) })),
      this.#seq,
    );
    this.#seq += records.length;
  }

  /** Messages of the records that match, by sequence number. Throws if they are others in the order of time. */
  found(text: string): string[] {
    const parsed = parseQuery(text);
    if ('problem' in parsed) throw new Error(parsed.problem);
    const query = { prefilter: prefilter(parsed.node), matches: compile(parsed.node) };
    const { records } = this.reader.after(query, 0, Infinity);
    const slice = this.reader.slice(query, EVERY, 'up', startPosition('up'), Infinity);
    if (!isDeepStrictEqual(slice.records, records)) throw new Error('slice() and after() differ');
    return records.map(({ message }) => message);
  }

  /** Changes the file as another version of weir might. */
  change(sql: string): void {
    const database = new DatabaseSync(this.path);
    database.exec(sql);
    database.close();
  }

  close(): void {
    this.reader.close();
    this.writer.close();
    open.delete(this);
  }
}

const open = new Set<Segment>();
afterEach(() => {
  for (const segment of open) segment.close();
});

describe('requests', () => {
  it.each([
    ['a word of the message', { message: 'GET /needle 200' }],
    ['a word in upper case', { message: 'GET /NEEDLE 200' }],
    ['a word of the path', { attributes: '{"path":"/a/Needle.json"}' }],
    ['a word of the cause', { attributes: '{"cause":"needle_gone"}' }],
    ['a word of the detail', { attributes: '{"detail":"no\\nneedle"}' }],
    ['a word that is escaped in the JSON', { attributes: '{"detail":"\\u006eeedle"}' }],
    ['a word in full-width letters', { message: 'ｎｅｅｄｌｅ' }],
    ['a word behind a zero byte', { message: 'a\0needle' }],
  ])('are found by %s', (_, request: Partial<LogRecord>) => {
    const segment = new Segment();
    segment.add(
      { kind: 'request', message: 'first', attributes: '{"path":"/other","remote":"needle"}' },
      { kind: 'request', ...request },
      { message: 'a needle in a line' },
    );
    const message = request.message ?? '';
    expect(segment.found('needle')).toEqual([message, 'a needle in a line']);
    expect(segment.found('need*')).toEqual([message, 'a needle in a line']);
    expect(segment.found('needle OR absent')).toEqual([message, 'a needle in a line']);
    expect(segment.found('needle kind:request')).toEqual([message]);
    expect(segment.found('needle -kind:request')).toEqual(['a needle in a line']);
  });

  it('are found once if an earlier version has put their words into the index', () => {
    const segment = new Segment();
    segment.add({ kind: 'request', message: 'GET /needle 200' }, { message: 'a needle in a line' });
    segment.change(`INSERT INTO words (rowid, text) VALUES (1, 'GET /needle 200')`);
    expect(segment.found('needle')).toEqual(['GET /needle 200', 'a needle in a line']);
  });

  it('are the only records without words in the index', () => {
    const segment = new Segment();
    const kinds = ['request', 'line', 'span', 'event'] as const;
    segment.add(...kinds.map((kind) => ({ kind, message: 'needle' })));
    const database = new DatabaseSync(segment.path, { readOnly: true });
    const rows = database.prepare(`SELECT rowid FROM words WHERE words MATCH 'needle'`).all();
    database.close();
    expect(rows).toEqual([{ rowid: 2 }, { rowid: 3 }, { rowid: 4 }]);
  });
});

describe('a line', () => {
  it('has the trace id of its request, whichever is stored first', () => {
    const segment = new Segment();
    segment.add({ message: 'before', requestId: 'r1' });
    segment.add(
      { kind: 'request', message: 'request', requestId: 'r1', traceId: 'ab' },
      { message: 'after', requestId: 'r1' },
      { message: 'of another trace', requestId: 'r1', traceId: 'cd' },
    );
    // A new writer does not know the ids.
    segment.writer.close();
    segment.writer = new SegmentWriter(segment.path);
    segment.add({ message: 'later', requestId: 'r1' }, { message: 'alone', requestId: 'r2' });
    expect(segment.found('trace:ab')).toEqual(['before', 'request', 'after', 'later']);
    expect(segment.found('trace:cd')).toEqual(['of another trace']);
    expect(segment.found('requestId:r1')).toHaveLength(5);
    expect(segment.found('requestId:r2')).toEqual(['alone']);
  });

  it('keeps its request id after an append that failed', () => {
    const segment = new Segment();
    segment.add({ message: 'first', requestId: 'r1' });
    const failing = ['r2', 'r3'].map((requestId) => ({ record: recordOf({ requestId }) }));
    // The sequence number 1 is used.
    expect(() => segment.writer.append(failing, 1)).toThrow('UNIQUE');
    segment.add({ message: 'second', requestId: 'r3' }, { message: 'third', requestId: 'r1' });
    expect(segment.found('requestId:r1')).toEqual(['first', 'third']);
    expect(segment.found('requestId:r2')).toEqual([]);
    expect(segment.found('requestId:r3')).toEqual(['second']);
  });
});
