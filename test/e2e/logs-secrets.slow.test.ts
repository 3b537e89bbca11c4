// Secrets are removed before anything is on the disk: no byte of the data folder has one, whatever way it came.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { search } from '../kit/log-api.ts';
import { bodyOf, closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { bytesIn } from '../kit/stored-bytes.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

/** Part of every secret. */
const SECRET = 'hunter2hunter2hunter2';
/** Part of every text beside a secret, so that it is known to be stored. */
const MARK = 'beside-the-secret';
const key = (n: number): string => `sk-${SECRET}${n}`;

let model: Replica;
beforeEach(async () => {
  model = await startReplica(async (req, res) => {
    await bodyOf(req);
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ note: `${MARK}-response`, api_key: `${SECRET}9` }));
  });
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

it.each(['SIGKILL', 'SIGTERM'] as const)('are in no file after %s', async (signal) => {
  const data = folder();
  const followed = join(folder({ 'model.log': '' }), 'model.log');
  // Prints until its stdout is closed.
  const printer = `
    process.stdout.on('error', () => process.exit());
    setInterval(() => process.stdout.write('${MARK}-printed password=${SECRET}\\n'), 20);`;
  const weir = await startWeir(
    [`--replica=${model.url}`, `--data-dir=${data}`, '--logs-capture=full', `--logs-files=${followed}`],
    { command: 'run', rest: [process.execPath, '-e', printer] },
  );
  const json = { 'content-type': 'application/json' };
  await call(weir.url, `/v1/${MARK}-path/${key(1)}?key=${SECRET}`, {
    method: 'POST',
    headers: { ...json, authorization: `Bearer ${SECRET}` },
    body: JSON.stringify({ note: `${MARK}-request`, password: SECRET, deep: { list: [key(2)] } }),
  });
  const lines = [
    { message: `${MARK}-message ${key(3)}`, password: SECRET, nested: { token_list: [key(4)] } },
    { message: `${MARK}-traceback`, exc_info: `Traceback\n  File "x.py"\nError: password=${SECRET}` },
  ];
  const post = (path: string, type: string, body: string) =>
    call(weir.admin, path, { method: 'POST', body, headers: { 'content-type': type } });
  const ndjson = lines.map((one) => JSON.stringify(one)).join('\n');
  expect((await post('/v1/logs', 'application/x-ndjson', ndjson)).status).toBe(200);
  expect((await post('/v1/logs', 'text/plain', `${MARK}-plain Bearer ${SECRET}\n`)).status).toBe(200);
  const span = {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    name: `${MARK}-span ${key(5)}`,
    startTimeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    endTimeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    attributes: [{ key: 'api_key', value: { stringValue: SECRET } }],
  };
  const spans = { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] };
  expect((await post('/v1/traces', 'application/json', JSON.stringify(spans))).status).toBe(200);
  const marks = ['path', 'message', 'traceback', 'plain', 'span', 'printed', 'followed'].map(
    (name) => `${MARK}-${name}`,
  );
  for (const mark of marks)
    await until(`${mark} is stored`, async () => {
      if (mark.endsWith('followed')) appendFileSync(followed, `${mark} password=${SECRET}\n`);
      return (await search({ url: weir.admin }, { q: `"${mark}"` })).logs.length > 0;
    });

  await weir.stop(signal);
  const found = bytesIn(data);
  const stored = Buffer.concat(Array.from(found.values())).toString('latin1');
  for (const mark of [...marks, `${MARK}-request`, `${MARK}-response`]) expect(stored, mark).toContain(mark);
  expect(stored).toContain('[redacted]');
  for (const [path, bytes] of found) expect(bytes.includes(SECRET), path).toBe(false);
});
