// GET /v1/logs/{id}?with=details: what is known of a request, and why a part of it is not there.
import { afterEach, describe, expect, it } from 'vitest';
import type { RequestJson, UnknownRequestJson } from '../../../../src/control/admin/records/request-json.ts';
import { usageOf } from '../../../../src/control/admin/records/request-details.ts';
import { contentOf, shownBody } from '../../../../src/control/admin/records/stored-body.ts';
import { timeOfId } from '../../../../src/control/admin/records/unknown-id.ts';
import { CapturePolicy } from '../../../../src/telemetry/logs/logs.ts';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { configOf } from '../../../kit/deployment.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { afterStart, expectJson, REQUEST_ID, requestRecord, START_NS } from '../../../kit/request-record.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const details = `/v1/logs/${REQUEST_ID}?with=details`;

it('a request comes with its bodies, siblings and number of lines in one response', async () => {
  const server = await startAdmin();
  const run = requestRecord({ async: true }, { timeNs: afterStart(100), status: 500 });
  const line = { ...requestRecord(), kind: 'line' as const, message: 'prefill' };
  await server.logs.post(
    [requestRecord({ request_bytes: 9, response_bytes: 0 }), run, line],
    [{ request: Buffer.from('{"a":"é"}'), response: undefined }],
  );
  const shown = await expectJson<RequestJson>(server, details);
  expect(shown).toMatchObject({
    log: { request_id: REQUEST_ID, status: 200, kind: 'request' },
    place: '1',
    lines_count: 1,
    trace_id: null,
    bodies: {
      request: { state: 'kept', bytes: 9, text: '{"a":"é"}' },
      response: { state: 'not_kept', reason: 'none' },
    },
    headers: { request: null, response: null },
    usage: null,
    siblings: [{ place: '2', status: 500, is_async: true }],
    task: null,
  });
});

it('shows a body with replacement characters as text', () => {
  expect(contentOf(Buffer.from('a\ufffdb'))).toEqual({ text: 'a\ufffdb' });
});

describe('a body that is not whole has a reason', () => {
  const rules = new CapturePolicy({
    capture: 'metadata',
    max_body: 1024,
    routes: [
      { path: '/v1/chat/', capture: 'full', follow: true },
      { path: '/health', capture: 'off', follow: true },
    ],
  });
  const body = (attributes: Record<string, unknown>, stored?: Uint8Array, hasOther = false) =>
    shownBody('response', requestRecord(), { response_bytes: 90, ...attributes }, stored, hasOther, rules);

  it.each([
    [
      'the setting of all paths',
      { path: '/other' },
      'not_captured',
      { name: 'logs.capture', value: 'metadata' },
    ],
    [
      'the setting of a route',
      { path: '/health' },
      'not_captured',
      { name: 'logs.routes[1].capture', value: 'off', path: '/health' },
    ],
    ['a body without bytes', { path: '/v1/chat/x', response_bytes: 0 }, 'none', undefined],
    ['what it is', { path: '/v1/chat/x', response_body: 'binary' }, 'other', undefined],
    ['the protocol', { path: '/v1/chat/x', protocol: 'grpc' }, 'protocol', undefined],
    ['its age', { path: '/v1/chat/x', has_bodies: true }, 'expired', undefined],
    ['nothing that is known', { path: '/v1/chat/x' }, 'unknown', undefined],
  ])('because of %s', (_, attributes, reason, setting) => {
    const shown = body(attributes);
    expect([shown.state, shown.reason, shown.setting]).toEqual(['not_kept', reason, setting]);
  });

  it('if it was cut, the size up to which bodies are stored', () => {
    expect(body({ response_body: 'cut' }, Buffer.from('abc'))).toEqual({
      state: 'cut',
      bytes: 90,
      kept_bytes: 3,
      text: 'abc',
      setting: { name: 'logs.max_body', value: '1024' },
    });
    expect(body({}, Buffer.from([0xff, 0xfe]))).toMatchObject({ state: 'kept', base64: '//4=' });
  });
});

describe('the tokens of a request', () => {
  const price = { input: 2, output: 10, cached: 1, reasoning: 10, currency: 'EUR' };
  const prices = { priceOf: (model: string) => (model === 'llama-3' ? price : undefined) };
  const facts = { model: 'llama-3', input_tokens: 1_000_000, output_tokens: 100_000, cached_tokens: 500_000 };

  it('come with the prices that give their cost', () => {
    expect(usageOf({ ...facts, cost: 2.5, currency: 'EUR' }, requestRecord(), prices)).toEqual({
      ...facts,
      cost: 2.5,
      currency: 'EUR',
      prices: { input: 2, output: 10, cached: 1, reasoning: 10, is_same: true },
    });
  });

  it('say that the price was another one, or that there was none', () => {
    expect(usageOf({ ...facts, cost: 9 }, requestRecord(), prices)!.prices!.is_same).toBe(false);
    expect(usageOf({ ...facts, model: 'other' }, requestRecord(), prices)).toMatchObject({
      cost: null,
      currency: null,
      prices: null,
    });
    expect(usageOf({ cause: 'ok' }, requestRecord(), prices)).toBeNull();
  });
});

describe('an id that no request has', () => {
  const withTime = (ns: bigint) => (ns / 1_000_000n).toString(16).padStart(12, '0') + 'a'.repeat(25);
  const HOUR_NS = 3_600_000_000_000n;

  it('is not recorded yet, or its time is not kept any more', async () => {
    const server = await startAdmin();
    await server.logs.post([requestRecord()]);
    const unknown = (id: string) =>
      expectJson<UnknownRequestJson>(server, `/v1/logs/${id}?with=details`, 404);
    expect(await unknown(withTime(START_NS + HOUR_NS / 60n))).toMatchObject({
      error: expect.stringContaining('a request is recorded when it ends') as string,
      reason: 'not_recorded_yet',
      lines_count: 0,
    });
    expect(await unknown(withTime(START_NS - HOUR_NS))).toMatchObject({
      reason: 'deleted_by_retention',
      id_time: expect.any(String) as string,
      oldest: expect.any(String) as string,
    });
    expect(await unknown('of-a-client')).toMatchObject({ reason: 'unknown' });
    // Clients of Portkey get errors in their form.
    const { text } = await call(server.url, `/v1/logs/${withTime(START_NS)}`, {
      headers: { 'x-portkey-a': 'b' },
    });
    expect(JSON.parse(text)).toMatchObject({ success: false });
  });

  it('has the time in its first 12 digits, if weir made it', () => {
    const now = START_NS + HOUR_NS;
    expect(timeOfId(REQUEST_ID, now)).toBe(START_NS);
    expect(timeOfId('f'.repeat(37), now)).toBeUndefined();
    expect(timeOfId('0'.repeat(36), now)).toBeUndefined();
  });
});

it('the records around a line are those of its replica, from all sources of it, or of all', async () => {
  const server = await startAdmin();
  const line = (message: string, source: string, replica: string) => ({
    ...requestRecord(),
    kind: 'line' as const,
    message,
    source,
    replica,
  });
  await server.logs.post([
    line('a', 'stdout', 'r1'),
    line('b', 'stderr', 'r1'),
    line('c', 'stdout', 'r1'),
    line('d', 'stdout', 'r2'),
    line('e', 'stdout', 'r1'),
  ]);
  const around = async (scope: string) => {
    const shown = await expectJson<Record<'before' | 'after', { message: string }[]>>(
      server,
      `/v1/logs/3/context?scope=${scope}&before=20&after=20`,
    );
    return [shown.before, shown.after].map((list) => list.map(({ message }) => message).join(''));
  };
  expect(await around('same')).toEqual(['a', 'e']);
  expect(await around('replica')).toEqual(['ab', 'e']);
  expect(await around('all')).toEqual(['ab', 'de']);
  await expectJson(server, '/v1/logs/3/context?scope=pod', 400);
});

it('the settings of a configuration name the rule of a path', () => {
  const { logs } = configOf(['--logs-capture=full']);
  expect(new CapturePolicy(logs).ruleOf('/x')).toEqual({ name: 'logs.capture', value: 'full' });
});
