// Lines that have the trace id of their request, on real files.
import { afterEach, describe, expect, it } from 'vitest';
import { folder } from '../../../kit/folder.ts';
import { closeStores, DAY_MS, line, MAX_NS, node, NOON, OwnStore } from '../../../kit/own-store.ts';
import { writeV1File } from '../../../kit/v1-files.ts';
import { ownId } from './stored-rows.ts';

afterEach(closeStores);

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER = '5bf92f3577b34da6a3ce929d0e0e4736';
const ID = ownId(NOON, '1'.repeat(25));

const request = (requestId: string, traceId: string, message = 'POST /predict 200') =>
  line(message, { kind: 'request', requestId, traceId });
const lineOf = (requestId: string, message: string) => line(message, { requestId });

describe('a line of a request', () => {
  it('has the trace id of its request, which is stored before or after it', () => {
    const store = new OwnStore();
    store.add(lineOf(ID, 'before'));
    store.add(request(ID, TRACE));
    store.add(lineOf(ID, 'after'), lineOf('other', 'of another request'));
    const traced = [
      ['before', TRACE],
      ['POST /predict 200', TRACE],
      ['after', TRACE],
      ['of another request', ''],
    ];
    expect(store.inOrder().map(({ message, traceId }) => [message, traceId])).toEqual(traced);
    expect(store.all('', { direction: 'up' }).map(({ traceId }) => traceId)).toEqual(
      traced.map(([, traceId]) => traceId),
    );
    expect(store.reader.at(1)?.traceId).toBe(TRACE);
    expect(store.reader.at(4)?.traceId).toBe('');
  });

  it('gets the trace id when its request ends, although it was read before', () => {
    const store = new OwnStore();
    store.add(lineOf(ID, 'first'), lineOf('unknown', 'stays without'));
    expect(store.inOrder().map(({ traceId }) => traceId)).toEqual(['', '']);
    expect(store.messages(`trace:${TRACE}`)).toEqual([]);
    store.add(lineOf(ID, 'second'));
    expect(store.inOrder().map(({ traceId }) => traceId)).toEqual(['', '', '']);
    store.add(request(ID, TRACE));
    expect(store.inOrder().map(({ traceId }) => traceId)).toEqual([TRACE, '', TRACE, TRACE]);
    expect(store.messages(`trace:${TRACE}`, { direction: 'up' })).toHaveLength(3);
  });

  it('has it from a request on another day, also in a file of the version before', () => {
    const path = folder();
    writeV1File(path, '20261118', 1, [{ record: lineOf(ID, 'old line') }, { record: request('r1', OTHER) }]);
    const store = new OwnStore(path);
    store.add(lineOf('r1', 'new line'));
    store.nowMs += DAY_MS;
    store.add(request(ID, TRACE));
    expect(store.messages(`trace:${TRACE}`, { direction: 'up' })).toEqual(['old line', 'POST /predict 200']);
    expect(store.inOrder(`trace:${OTHER}`).map(({ message }) => message)).toEqual([
      'POST /predict 200',
      'new line',
    ]);
    expect(store.inOrder(`-trace:${OTHER}`).map(({ traceId }) => traceId)).toEqual([TRACE, TRACE]);
  });

  it('keeps the trace id that it was written with, and has that of the first of two requests with its id', () => {
    const store = new OwnStore();
    store.add(line('own', { requestId: 'r1', traceId: OTHER }), lineOf('r1', 'joined'));
    store.add(request('r1', ''), request('r1', TRACE), request('r1', OTHER, 'again'));
    expect(store.messages(`trace:${TRACE}`, { direction: 'up' })).toEqual(['joined', 'POST /predict 200']);
    expect(store.messages(`trace:${OTHER}`, { direction: 'up' })).toEqual(['own', 'again']);
  });

  it('is found by conditions on the trace besides others, and counted under it', () => {
    const store = new OwnStore();
    store.add(lineOf(ID, 'out of memory'), lineOf(ID, 'fine'), line('out of memory, elsewhere'));
    store.add(request(ID, TRACE), request('r2', OTHER, 'GET /'));
    expect(store.messages(`trace:${TRACE} memory`)).toEqual(['out of memory']);
    expect(store.messages(`memory -trace:${TRACE}`)).toEqual(['out of memory, elsewhere']);
    expect(store.messages('memory trace:0af7*')).toEqual(['out of memory']);
    expect(store.messages(`trace:${OTHER} OR fine`, { direction: 'up' })).toEqual(['fine', 'GET /']);
    const query = {
      node: node('kind:line'),
      fromNs: 0n,
      toNs: MAX_NS,
      by: [{ field: 'traceId' }],
      measures: [{ op: 'count' as const }],
    };
    const step = store.reader.group(query, undefined, true);
    const groups = typeof step === 'object' && 'result' in step ? step.result.groups : [];
    expect(new Map(groups.map(({ key, values }) => [key[0], values[0]]))).toEqual(
      new Map([
        [TRACE, 2],
        [null, 1],
      ]),
    );
  });

  it('is found if thousands of requests share its trace', () => {
    const store = new OwnStore();
    const ids = Array.from({ length: 1500 }, (_, i) => `r${i}`);
    store.add(...ids.flatMap((id) => [lineOf(id, `line of ${id}`), request(id, TRACE)]));
    store.add(line('unrelated'));
    expect(store.messages(`trace:${TRACE} kind:line`, { direction: 'up', limit: 500 })).toEqual(
      ids.map((id) => `line of ${id}`),
    );
  });
});
