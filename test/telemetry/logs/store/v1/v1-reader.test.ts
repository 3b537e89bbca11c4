// The reader of files with schema version 1, on real files.
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../../../../src/telemetry/logs/log-record.ts';
import { compile } from '../../../../../src/telemetry/logs/query/match.ts';
import { parseQuery } from '../../../../../src/telemetry/logs/query/parse.ts';
import { possible } from '../../../../../src/telemetry/logs/query/possible.ts';
import { prefilter } from '../../../../../src/telemetry/logs/query/prefilter.ts';
import { startPosition } from '../../../../../src/telemetry/logs/store/page-position.ts';
import { V1FileReader } from '../../../../../src/telemetry/logs/store/v1/v1-reader.ts';
import { folder } from '../../../../kit/folder.ts';
import { writeV1File } from '../../../../kit/v1-files.ts';
import { recordOf } from '../../query/arbitrary.ts';

const EVERY = { fromNs: 0n, toNs: 2n ** 62n };

class V1File {
  readonly #folder = folder();
  readonly path = writeV1File(this.#folder, '20261120', 1, []);
  readonly reader = new V1FileReader(this.path);

  constructor() {
    open.add(this);
  }

  add(...records: Partial<LogRecord>[]): void {
    writeV1File(
      this.#folder,
      '20261120',
      1,
      records.map((record) => ({ record: recordOf(record) })),
    );
  }

  /** Messages of the records that match, by sequence number. Throws if they are others in the order of time. */
  found(text: string): string[] {
    const parsed = parseQuery(text);
    if ('problem' in parsed) throw new Error(parsed.problem);
    const query = {
      prefilter: prefilter(parsed.node),
      possible: possible(parsed.node),
      matches: compile(parsed.node),
    };
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
    open.delete(this);
  }
}

const open = new Set<V1File>();
afterEach(() => {
  for (const file of open) file.close();
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
    const file = new V1File();
    file.add(
      { kind: 'request', message: 'first', attributes: '{"path":"/other","remote":"needle"}' },
      { kind: 'request', ...request },
      { message: 'a needle in a line' },
    );
    const message = request.message ?? '';
    expect(file.found('needle')).toEqual([message, 'a needle in a line']);
    expect(file.found('need*')).toEqual([message, 'a needle in a line']);
    expect(file.found('needle OR absent')).toEqual([message, 'a needle in a line']);
    expect(file.found('needle kind:request')).toEqual([message]);
    expect(file.found('needle -kind:request')).toEqual(['a needle in a line']);
  });

  it('are found once if an earlier version has put their words into the index', () => {
    const file = new V1File();
    file.add({ kind: 'request', message: 'GET /needle 200' }, { message: 'a needle in a line' });
    file.change(`INSERT INTO words (rowid, text) VALUES (1, 'GET /needle 200')`);
    expect(file.found('needle')).toEqual(['GET /needle 200', 'a needle in a line']);
  });

  it('are the only records without words in the index', () => {
    const file = new V1File();
    const kinds = ['request', 'line', 'span', 'event'] as const;
    file.add(...kinds.map((kind) => ({ kind, message: 'needle' })));
    const database = new DatabaseSync(file.path, { readOnly: true });
    const rows = database.prepare(`SELECT rowid FROM words WHERE words MATCH 'needle'`).all();
    database.close();
    expect(rows).toEqual([{ rowid: 2 }, { rowid: 3 }, { rowid: 4 }]);
  });
});

describe('a line', () => {
  it('has the trace id of its request, whichever is stored first', () => {
    const file = new V1File();
    file.add({ message: 'before', requestId: 'r1' });
    file.add(
      { kind: 'request', message: 'request', requestId: 'r1', traceId: 'ab' },
      { message: 'after', requestId: 'r1' },
      { message: 'of another trace', requestId: 'r1', traceId: 'cd' },
    );
    file.add({ message: 'later', requestId: 'r1' }, { message: 'alone', requestId: 'r2' });
    expect(file.found('trace:ab')).toEqual(['before', 'request', 'after', 'later']);
    expect(file.found('trace:cd')).toEqual(['of another trace']);
    expect(file.found('requestId:r1')).toHaveLength(5);
    expect(file.found('requestId:r2')).toEqual(['alone']);
  });
});
