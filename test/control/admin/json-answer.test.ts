// Tests of JSON answers that are made in pieces.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { json, jsonParts, listParts, sendParts } from '../../../src/control/admin/json-answer.ts';
import { call } from '../../kit/client.ts';

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

async function serve(answer: (res: ServerResponse) => unknown): Promise<string> {
  const server = createServer((_, res) => answer(res));
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a JSON answer', () => {
  it.each(['gzip', 'identity'])('lets other work run between its pieces (%s)', async (coding) => {
    let turn = 0;
    let isOver = false;
    const made = new Map<number, number>();
    const count = (): void => {
      turn++;
      if (!isOver) setImmediate(count);
    };
    const part = 'x'.repeat(10_000);
    function* parts(): Generator<string, undefined> {
      for (let i = 0; i < 500; i++) {
        made.set(turn, (made.get(turn) ?? 0) + part.length);
        yield part;
      }
    }
    const url = await serve(async (res) => {
      count();
      await sendParts(res, 200, parts());
      isOver = true;
    });
    const { body } = await call(url, '/', { headers: { 'accept-encoding': coding } });
    expect((coding === 'gzip' ? gunzipSync(body) : body).length).toBe(5_000_000);
    expect(Math.max(...made.values())).toBeLessThan(200_000);
  });

  it('is made in short parts that together are the text of JSON.stringify', () => {
    const long = fc.string({ unit: 'binary', minLength: 0, maxLength: 200 }).map((text) => text.repeat(200));
    const { value: anything } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 0, -1.5, 'short', ''),
        long,
        fc.array(tie('value'), { maxLength: 6 }),
        fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 6 }),
        fc.array(fc.nat(), { minLength: 1000, maxLength: 5000 }),
      ),
    }));
    fc.assert(
      fc.property(anything, (value) => {
        const parts = [...jsonParts(value)];
        expect(parts.join('')).toBe(JSON.stringify(value));
        // A control character is six characters in JSON.
        expect(Math.max(...parts.map((part) => part.length))).toBeLessThan(6 * 16_384 + 2);
      }),
      { numRuns: 100 },
    );
  });

  it('leaves members out that have no value, and divides no character of a long text', () => {
    const large = {
      none: undefined,
      list: [undefined, '😀'.repeat(20_000)],
      text: `x${'😀'.repeat(20_000)}`,
    };
    expect([...jsonParts(large)].join('')).toBe(JSON.stringify(large));
    expect(
      [...jsonParts({ list: Array.from({ length: 3000 }, () => ({})), none: undefined })].length,
    ).toBeGreaterThan(10);
  });

  it('has the status at once, for those who look at the response', async () => {
    let status = 0;
    const url = await serve((res) => {
      json(res, 503, { text: 'x'.repeat(10_000) });
      status = res.statusCode;
    });
    const answer = await call(url, '/', { headers: { 'accept-encoding': 'gzip' } });
    expect([status, answer.status]).toEqual([503, 503]);
  });

  it('is not compressed when it is short', async () => {
    const url = await serve((res) => json(res, 200, { a: 1 }));
    const answer = await call(url, '/', { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.text).toBe('{"a":1}\n');
    expect(answer.headers).toMatchObject({ 'content-length': '8', 'content-type': 'application/json' });
    expect(answer.headers['content-encoding']).toBeUndefined();
  });

  it.each([
    [[], {}],
    [[1, { a: 'b' }], {}],
    [[], { cursor: 'x', none: undefined }],
    [[1], { cursor: 'x' }],
  ])('of a list %j and other members %j is one object', (items, others) => {
    const text = [...listParts('logs', items, others)].join('');
    expect(text).toBe(`${JSON.stringify({ logs: items, ...others })}\n`);
  });
});
