// Tests of what a search sends: its fields, the beginning of messages, the total, and its compression.
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges } from '../../../kit/admin.ts';
import { begin, call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';
import { HOUR_AGO, ns, post, search, type AdminServer } from '../../../kit/log-api.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const lines = (count: number, text: string) =>
  Array.from({ length: count }, (_, i) => ({ timestamp: ns(HOUR_AGO + i), message: `${text} ${i}` }));

async function expectProblem(admin: AdminServer, query: string, problem: RegExp): Promise<void> {
  const { status, text } = await call(admin.url, `/v1/logs?${query}`);
  expect([status, text]).toEqual([400, expect.stringMatching(problem)]);
}

describe('a response of GET /v1/logs', () => {
  it('is compact, and compressed for a client that accepts gzip', async () => {
    const server = await startAdmin();
    await post(server, lines(100, 'a line'));
    const path = '/v1/logs?limit=100';
    const plain = await call(server.url, path);
    expect(plain.text).toMatch(/^\{"logs":\[\{"timestamp":"[^\n]*\}\n$/);
    expect(plain.headers).toMatchObject({ 'content-length': String(plain.body.length) });
    for (const accepted of ['gzip', 'br;q=1, gzip;q=0.8']) {
      const packed = await call(server.url, path, { headers: { 'accept-encoding': accepted } });
      expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
      expect(packed.body.length).toBeLessThan(plain.body.length / 4);
      expect(gunzipSync(packed.body).toString()).toBe(plain.text);
    }
    for (const refused of ['', 'br', 'gzip;q=0']) {
      const { headers } = await call(server.url, path, { headers: { 'accept-encoding': refused } });
      expect(headers['content-encoding']).toBeUndefined();
    }
  });

  it('is the same when it is large, plain and compressed', async () => {
    const server = await startAdmin();
    await post(server, lines(1000, 'x'.repeat(2000)));
    const path = '/v1/logs?limit=1000&direction=asc';
    const plain = await call(server.url, path);
    const { logs } = JSON.parse(plain.text) as { logs: { message: string }[] };
    expect(logs.map(({ message }) => message)).toEqual(
      lines(1000, 'x'.repeat(2000)).map((line) => line.message),
    );
    const packed = await call(server.url, path, { headers: { 'accept-encoding': 'gzip' } });
    expect(gunzipSync(packed.body).toString()).toBe(plain.text);
    const head = await call(server.url, path, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it.each(['gzip', 'identity'])(
    'does no harm when its client leaves in the middle of it (%s)',
    async (coding) => {
      const server = await startAdmin();
      await post(server, lines(1000, 'x'.repeat(5000)));
      const req = begin(server.url, '/v1/logs?limit=1000', { headers: { 'accept-encoding': coding } });
      req.on('error', () => undefined);
      await new Promise<void>((resolve) => {
        req.on('response', (res) => res.once('data', () => req.destroy()));
        req.on('close', resolve);
        req.end();
      });
      expect((await search(server, { limit: '1' })).logs).toHaveLength(1);
      expect(server.logLines.join('')).not.toContain('admin route failed');
    },
  );

  it('has only the fields that were asked for', async () => {
    const server = await startAdmin();
    await post(server, [
      { level: 'warn', message: 'a', metadata: { tier: 'gold', x: 1 }, other: 2 },
      { message: 'b' },
    ]);
    const fields = 'level,message,attributes.metadata.tier,attributes.none,status';
    expect((await search(server, { fields, direction: 'asc' })).logs).toEqual([
      { level: 'WARN', message: 'a', attributes: { 'metadata.tier': 'gold' } },
      { message: 'b' },
    ]);
    const [first] = (await search(server, { fields: 'seq,attributes,attributes.other', direction: 'asc' }))
      .logs;
    expect(first).toEqual({
      seq: expect.any(Number),
      attributes: expect.objectContaining({ other: 2, metadata: { tier: 'gold', x: 1 } }),
    });
    await expectProblem(
      server,
      'fields=mesage',
      /fields: unknown field \\"mesage\\"; did you mean \\"message\\"\?/,
    );
    await expectProblem(server, 'fields=attributes.', /fields: unknown field/);
    await expectProblem(
      server,
      `fields=${'seq,'.repeat(100)}seq`,
      /fields: must have 1 to 100 names, has 101/,
    );
  });

  it('has the beginning of long messages, with their length and last line', async () => {
    const server = await startAdmin();
    const traceback = `Traceback\n${'  File x\n'.repeat(50)}ValueError: bad\n`;
    await post(server, [{ message: traceback }, { message: 'ab🔥cd' }, { message: 'abc' }]);
    const { logs } = await search(server, { preview: '3', fields: 'message', direction: 'asc' });
    expect(logs).toEqual([
      {
        message: 'Tra',
        message_cut: { length: traceback.length, lines: 52, last_line: 'Val' },
      },
      { message: 'ab', message_cut: { length: 6, lines: 1 } },
      { message: 'abc' },
    ]);
    const whole = await search(server, { preview: '1000', fields: 'message', direction: 'asc' });
    expect(whole.logs[0]).toEqual({ message: traceback });
    await expectProblem(server, 'preview=0', /preview: must be a whole number from 1 to 1000000/);
  });

  it('has the number of all matching records, on every page', async () => {
    const server = await startAdmin();
    await post(server, [...lines(300, 'yes'), ...lines(20, 'no')]);
    const first = await search(server, { q: 'yes', with: 'total', limit: '100' });
    expect(first).toMatchObject({ logs: { length: 100 }, total: { count: 300, is_exact: true } });
    const second = await search(server, { q: 'yes', with: 'total', limit: '250', cursor: first.cursor! });
    expect(second).toMatchObject({ logs: { length: 200 }, total: { count: 300, is_exact: true } });
    expect(await search(server, { q: 'no', with: 'total' })).toMatchObject({
      total: { count: 20, is_exact: true },
    });
    expect(await search(server, { q: 'no' })).not.toHaveProperty('total');
    await expectProblem(server, 'with=totals', /with: must be total/);
    await expectProblem(server, 'with=total&format=csv', /with: cannot be used with a download as csv/);
    await expectProblem(server, 'with=total&follow=1', /with: cannot be used with a live tail/);
  });

  it('says that the total is the least if counting took too long', async () => {
    const server = await startAdmin({
      wrap: (logs) =>
        withChanges(logs, {
          group: () =>
            Promise.resolve({ groups: [], matched: 150, others: 0, isApproximate: false, isPartial: true }),
        }),
    });
    await post(server, lines(300, 'yes'));
    expect(await search(server, { with: 'total', limit: '100' })).toMatchObject({
      total: { count: 150, is_exact: false },
    });
  });

  it('applies fields and preview to downloads and live tails', async () => {
    const server = await startAdmin();
    await post(server, [{ message: 'abcdef' }]);
    const query = 'fields=seq,message&preview=3';
    const object = { seq: expect.any(Number), message: 'abc', message_cut: { length: 6, lines: 1 } };
    const ndjson = await call(server.url, `/v1/logs?format=ndjson&${query}`);
    expect(JSON.parse(ndjson.text)).toEqual(object);
    await expectProblem(server, 'format=csv&fields=seq', /fields: cannot be used with a download as csv/);
    const req = begin(server.url, `/v1/logs?follow=1&tail=1&${query}`);
    req.end();
    const data = await new Promise<string>((resolve) => {
      req.on('response', (res) => {
        let text = '';
        res.on('data', (chunk: Buffer) => {
          text += String(chunk);
          const found = /^data: (.*)$/m.exec(text);
          if (found) resolve(found[1]!);
        });
      });
    });
    req.on('error', () => undefined).destroy();
    expect(JSON.parse(data)).toEqual(object);
  });
});
