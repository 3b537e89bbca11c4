// Headers of Portkey on requests through the data server, with the real binary: what the record says.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_METADATA } from '../../src/core/exchange/request-notes.ts';
import { call, type ClientResponse } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { expectRequestRecord, type StoredRecord } from '../kit/stored-records.ts';
import { closeReplicas, startReplica, onBody, type Replica } from '../kit/replica.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER_TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = 'b7ad6b7169203331';
const PARENT = '00f067aa0ba902b7';
const idOf = ({ headers }: ClientResponse): string => String(headers['x-baseten-request-id']);

let replica: Replica;
let data: string;
/** Headers that the replica got last. */
let seen: Record<string, unknown>;

beforeEach(async () => {
  data = folder();
  replica = await startReplica((req, res) => {
    seen = req.headers;
    void onBody(req, () =>
      res
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"model":"m","usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}'),
    );
  });
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

/** Sends a request to a model and returns its record. */
async function recordOf(weir: Weir, headers: Record<string, string>): Promise<StoredRecord> {
  const response = await call(weir.url, '/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    // A text would be sent together with the headers, and these in another encoding.
    body: Buffer.from('{"model":"m"}'),
  });
  expect(response.status).toBe(200);
  return expectRequestRecord(data, idOf(response));
}

for (const lane of ['fast', 'full'])
  describe(`in the ${lane} lane`, () => {
    const start = (...args: string[]) =>
      startWeir([
        '--replica',
        replica.url,
        '--data-dir',
        data,
        '--logs-capture=full',
        `--proxy-fast-lane=${lane === 'fast'}`,
        ...args,
      ]);

    it('puts ids and metadata of a client into the record, and passes its headers on', async () => {
      const weir = await start();
      const headers = {
        'x-portkey-trace-id': TRACE,
        'x-portkey-span-id': SPAN,
        'x-portkey-parent-span-id': PARENT,
        'x-portkey-metadata': '{"_user":"u1","env":"dev","n":7}',
      };
      const record = await recordOf(weir, headers);
      expect(record).toMatchObject({ traceId: TRACE, spanId: SPAN, parentSpanId: PARENT });
      expect(record.fields['metadata']).toEqual({ _user: 'u1', env: 'dev', n: 7 });
      expect(record.fields).not.toHaveProperty('portkey_trace_id');
      expect(record.fields).toMatchObject({ model: 'm', input_tokens: 9 });
      expect(seen).toMatchObject(headers);
    });

    it('gives a trace id of any other form one of its own, the same each time', async () => {
      const weir = await start();
      const first = await recordOf(weir, { 'x-portkey-trace-id': 'my trace' });
      const second = await recordOf(weir, { 'X-Portkey-Trace-Id': 'my trace', 'x-portkey-span-id': 's' });
      expect(first.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(second.traceId).toBe(first.traceId);
      expect(first.fields['portkey_trace_id']).toBe('my trace');
      expect(second.fields['portkey_span_id']).toBe('s');
      const found = await call(weir.admin, '/v1/logs?kind=request&trace_id=my%20trace');
      expect((JSON.parse(found.text) as { logs: unknown[] }).logs).toHaveLength(2);
    });

    it('prefers ids of Portkey to a traceparent, also in the one for the replica', async () => {
      const weir = await start('--trace-enabled=true');
      const traceparent = `00-${OTHER_TRACE}-${PARENT}-01`;
      const record = await recordOf(weir, {
        traceparent,
        tracestate: 'a=1',
        'x-portkey-trace-id': TRACE,
        'x-portkey-span-id': SPAN,
      });
      expect(record).toMatchObject({ traceId: TRACE, spanId: SPAN, parentSpanId: '' });
      expect(seen['traceparent']).toMatch(new RegExp(`^00-${TRACE}-b7ad6b716920333`));
      expect(seen).not.toHaveProperty('tracestate');
      const joined = await recordOf(weir, { traceparent, tracestate: 'a=1', 'x-portkey-metadata': '{}' });
      expect(joined).toMatchObject({ traceId: OTHER_TRACE, parentSpanId: PARENT });
      expect(seen).toMatchObject({ tracestate: 'a=1' });
    });

    it('without tracing passes a traceparent on unchanged, whatever the headers of Portkey say', async () => {
      const weir = await start();
      const traceparent = `00-${OTHER_TRACE}-${PARENT}-01`;
      const record = await recordOf(weir, { traceparent, 'x-portkey-trace-id': TRACE });
      expect(record.traceId).toBe(TRACE);
      expect(seen).toMatchObject({ traceparent });
    });

    it('serves a request whose metadata cannot be used, and says so in its record', async () => {
      const weir = await start();
      const metadataOf = async (value: string) =>
        (await recordOf(weir, { 'x-portkey-metadata': value })).fields;
      expect(await metadataOf('{"a":')).toMatchObject({ metadata_error: 'not a JSON object' });
      expect(await metadataOf('[1]')).toMatchObject({ metadata_error: 'not a JSON object' });
      const most = `{"a":"${'x'.repeat(MAX_METADATA - 8)}"}`;
      expect((await metadataOf(most))['metadata']).toEqual(JSON.parse(most));
      const tooLong = `{"a":"${'x'.repeat(MAX_METADATA)}"}`;
      const fields = await metadataOf(tooLong);
      expect(fields).toMatchObject({ metadata_error: 'longer than 4096 bytes' });
      expect(fields).not.toHaveProperty('metadata');
      const nested = `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}`;
      expect(await metadataOf(nested)).toHaveProperty('attributes_dropped');
    });

    it('reads metadata as UTF-8 and removes secrets from it', async () => {
      const weir = await start();
      const key = 'sk-a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4';
      const text = JSON.stringify({ name: 'Zoë', note: `key ${key}`, api_key: key });
      const record = await recordOf(weir, { 'x-portkey-metadata': Buffer.from(text).toString('latin1') });
      expect(record.fields['metadata']).toMatchObject({ name: 'Zoë' });
      expect(JSON.stringify(record.fields)).not.toContain(key);
    });

    it('with x-portkey-debug: false keeps tokens and metadata and drops the bodies', async () => {
      const weir = await start();
      const headers = { 'x-portkey-metadata': '{"a":"b"}' };
      const kept = await recordOf(weir, headers);
      expect(kept.request).toBe('{"model":"m"}');
      const dropped = await recordOf(weir, { ...headers, 'x-portkey-debug': 'false' });
      expect(dropped.request).toBeUndefined();
      expect(dropped.fields).toMatchObject({ metadata: { a: 'b' }, input_tokens: 9, output_tokens: 3 });
    });

    it('keeps the notes of many requests apart', async () => {
      const weir = await start();
      const numbers = Array.from({ length: 60 }, (_, i) => i);
      const records = await Promise.all(
        numbers.map(async (i) =>
          recordOf(weir, i % 3 === 0 ? {} : { 'x-portkey-metadata': JSON.stringify({ i }) }),
        ),
      );
      expect(records.map(({ fields }) => fields['metadata'])).toEqual(
        numbers.map((i) => (i % 3 === 0 ? undefined : { i })),
      );
    });
  });
