// POST and PUT /v1/feedback over HTTP with a real store.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { search, type Log } from '../../../kit/log-api.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly json: { message: string; feedback_ids: string[]; feedback_id: string[]; error: { param: string } };
}

async function send(
  { url }: OpenAdmin,
  method: 'POST' | 'PUT',
  path: string,
  body: unknown,
): Promise<Answer> {
  const { status, text, headers } = await call(url, path, {
    method,
    headers: { 'content-type': 'application/json', 'x-portkey-api-key': 'k' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status, headers, json: JSON.parse(text) as Answer['json'] };
}

const post = (server: OpenAdmin, body: unknown): Promise<Answer> =>
  send(server, 'POST', '/v1/feedback', body);

/** Stores a request of a trace. */
async function addLog(server: OpenAdmin, traceId: string): Promise<void> {
  const body = { request: { url: 'u', body: {} }, response: { body: {} }, metadata: { traceId } };
  expect((await send(server, 'POST', '/v1/logs', body)).status).toBe(200);
}

interface Annotations {
  scores: { weighted_feedback: number };
  feedback: { value: number; weight: number; count: number; by_id: Record<string, unknown> };
}

async function annotationsOf(server: OpenAdmin, trace_id: string): Promise<Annotations | undefined> {
  const { logs } = await search(server, { trace_id, kind: 'request' });
  expect(logs).toHaveLength(1);
  return (logs[0]!['attributes'] as { annotations?: Annotations }).annotations;
}

const found = async (server: OpenAdmin, q: string): Promise<Log[]> =>
  (await search(server, { q, kind: 'request' })).logs;

/** The feedback is refused with 400 and this message, and nothing is stored. */
async function expectRefused(server: OpenAdmin, body: unknown, message: string): Promise<void> {
  const { status, json } = await post(server, body);
  expect(json.message).toBe(message);
  expect(status).toBe(400);
  expect((await search(server, { kind: 'annotation' })).logs).toEqual([]);
}

describe('feedback', () => {
  it('is attached to the requests of its trace, whatever form the trace id has', async () => {
    const server = await startAdmin();
    for (const trace of ['t1', '0af7651916cd43dd8448eb211c80319c', '6a1d0c7e-5a0f-4b35-9d6b-0b8a2a1c9e10']) {
      await addLog(server, trace);
      const { status, headers, json } = await post(server, {
        trace_id: trace,
        value: 5,
        weight: 0.5,
        metadata: { a: 'b' },
      });
      expect(status).toBe(200);
      expect(headers['x-portkey-trace-id']).toMatch(/./);
      const [id] = json.feedback_ids;
      expect(json).toEqual({
        status: 'success',
        message: 'Feedback saved',
        feedback_ids: [id],
        feedback_id: [id],
      });
      const rating = { value: 5, weight: 0.5, metadata: { a: 'b' } };
      expect(await annotationsOf(server, trace)).toEqual({
        scores: { weighted_feedback: 2.5 },
        feedback: { ...rating, count: 1, by_id: { [id!]: rating } },
      });
    }
  });

  it('can name a request by the id that weir gave it', async () => {
    const server = await startAdmin();
    for (const trace of ['t1', 't1']) await addLog(server, trace);
    const { logs } = await search(server, { kind: 'request', direction: 'asc' });
    const made = await post(server, { trace_id: logs[1]!['request_id'], value: 8 });
    const again = await send(server, 'PUT', `/v1/feedback/${made.json.feedback_ids[0]}`, { value: 6 });
    expect(again.status).toBe(200);
    const rated = await found(server, 'scores.weighted_feedback=6');
    expect(rated.map(({ seq }) => seq)).toEqual([logs[1]!.seq]);
  });

  it('may come before its request', async () => {
    const server = await startAdmin();
    expect((await post(server, { trace_id: 'later', value: -10 })).status).toBe(200);
    await addLog(server, 'later');
    expect((await annotationsOf(server, 'later'))?.scores.weighted_feedback).toBe(-10);
  });

  it('counts with its weight in the mean of its trace, by which requests are found', async () => {
    const server = await startAdmin();
    await addLog(server, 't1');
    await addLog(server, 't2');
    await post(server, { traceID: 't1', value: 10, weight: 0.5 });
    await post(server, { traceId: 't1', value: 1 });
    await post(server, { trace_id: 't2', value: 1, weight: 0 });
    expect((await annotationsOf(server, 't1'))?.scores.weighted_feedback).toBe(3);
    expect(await found(server, 'scores.weighted_feedback>=3')).toHaveLength(1);
    expect(await found(server, 'scores.weighted_feedback>=0')).toHaveLength(2);
    expect(await found(server, 'scores.weighted_feedback>3')).toHaveLength(0);
  });

  it('has the same mean if many arrive at once', async () => {
    const server = await startAdmin();
    await addLog(server, 't1');
    await Promise.all(Array.from({ length: 20 }, (_, i) => post(server, { trace_id: 't1', value: i - 9 })));
    expect(await annotationsOf(server, 't1')).toMatchObject({
      scores: { weighted_feedback: 0.5 },
      feedback: { count: 20 },
    });
  });

  it('comes as a list, or as the object that the SDK makes of it, with ids in this order', async () => {
    const server = await startAdmin();
    await addLog(server, 't1');
    await addLog(server, 't2');
    const list = [
      { traceID: 't1', value: 5 },
      { traceID: 't2', value: -5 },
      { traceID: 't1', value: 7 },
    ];
    for (const body of [list, Object.fromEntries(list.entries())]) {
      const { status, json } = await post(server, body);
      expect(status).toBe(200);
      const [first, second, third] = json.feedback_ids;
      const one = await annotationsOf(server, 't1');
      expect(one?.feedback.by_id).toMatchObject({ [first!]: { value: 5 }, [third!]: { value: 7 } });
      expect(one?.scores.weighted_feedback).toBe(6);
      const other = await annotationsOf(server, 't2');
      expect(other?.feedback.by_id).toMatchObject({ [second!]: { value: -5 } });
    }
  });

  it('can be changed by its id, also after a restart', async () => {
    const path = folder();
    const server = await startAdmin({ path });
    await addLog(server, 't1');
    const made = await post(server, [
      { trace_id: 't1', value: 4 },
      { trace_id: 't1', value: 6, metadata: { a: 1 } },
    ]);
    await server.stop();
    const again = await startAdmin({ path });
    const id = made.json.feedback_ids[1]!;
    const { status, json } = await send(again, 'PUT', `/v1/feedback/${id}`, {
      feedback_id: id,
      value: 10,
      weight: 0.2,
    });
    expect(status).toBe(200);
    expect(json).toMatchObject({ status: 'success', feedback_ids: [id] });
    const annotations = await annotationsOf(again, 't1');
    expect(annotations?.scores.weighted_feedback).toBe(3);
    expect(annotations?.feedback.count).toBe(2);
    expect(annotations?.feedback.by_id[id]).toEqual({ value: 10, weight: 0.2 });
  });

  it('that was not stored does not count', async () => {
    let failures = 1;
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          post: (records) =>
            records[0]!.kind === 'annotation' && failures-- > 0
              ? Promise.resolve({ problem: 'queue_full' })
              : logs.post(records),
        }),
    });
    await addLog(server, 't1');
    const lost = post(server, { trace_id: 't1', value: 10 });
    expect((await lost).status).toBe(429);
    expect((await post(server, { trace_id: 't1', value: 2 })).status).toBe(200);
    expect((await annotationsOf(server, 't1'))?.scores.weighted_feedback).toBe(2);
  });

  it('can be changed after its first change met a store that could not be read', async () => {
    let failures = 0;
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          page: (query) =>
            failures-- > 0 ? Promise.reject(new Error('the reader thread ended')) : logs.page(query),
        }),
    });
    await addLog(server, 't1');
    const [id] = (await post(server, { trace_id: 't1', value: 2 })).json.feedback_ids;
    failures = 1;
    expect((await send(server, 'PUT', `/v1/feedback/${id}`, { value: 5 })).status).toBe(500);
    expect((await send(server, 'PUT', `/v1/feedback/${id}`, { value: 5 })).status).toBe(200);
    expect((await annotationsOf(server, 't1'))?.scores.weighted_feedback).toBe(5);
  });

  it('that is unknown cannot be changed', async () => {
    const server = await startAdmin();
    await post(server, { trace_id: 't1', value: 4 });
    for (const id of ['f1', '0'.repeat(48), `${'a'.repeat(47)}é`]) {
      const { status, json } = await send(server, 'PUT', `/v1/feedback/${encodeURIComponent(id)}`, {
        value: 1,
      });
      expect(status).toBe(404);
      expect(json.message).toBe(`feedback ${id} was not found`);
    }
  });

  it('is refused with a value, weight or trace that is not allowed; of a list, nothing is stored', async () => {
    const server = await startAdmin();
    const value = 'value must be a whole number from -10 to 10';
    await expectRefused(server, { trace_id: 't', value: 11 }, value);
    await expectRefused(server, { trace_id: 't', value: -10.5 }, value);
    await expectRefused(server, { trace_id: 't', value: '5' }, value);
    await expectRefused(server, { trace_id: 't' }, 'value is missing');
    await expectRefused(server, { value: 1 }, 'trace_id is missing');
    await expectRefused(
      server,
      { trace_id: 't', value: 1, weight: 1.1 },
      'weight must be a number from 0 to 1',
    );
    await expectRefused(server, { trace_id: 't', value: 1, metadata: 7 }, 'metadata must be an object');
    await expectRefused(
      server,
      [
        { trace_id: 't', value: 1 },
        { trace_id: 't', value: 20 },
      ],
      'feedback[1].value must be a whole number from -10 to 10',
    );
    await expectRefused(
      server,
      { trace_id: 't', value: 1, metadata: { text: 'x'.repeat(40_000) } },
      'the annotation has more than 32768 characters',
    );
    await expectRefused(server, [], 'The body has 0 feedbacks; 1 to 1000 are stored at once');
    await expectRefused(
      server,
      Array.from({ length: 1001 }, () => ({ trace_id: 't', value: 1 })),
      'The body has 1001 feedbacks; 1 to 1000 are stored at once',
    );
  });
});
