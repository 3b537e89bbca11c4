// A large log download with the real binary.
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  removeFolders();
});

it('downloads 200,000 rows in bounded memory', async () => {
  const weir = await startWeir(
    ['--replica=http://127.0.0.1:9', `--data-dir=${folder()}`, '--logs-download-unlimited'],
    // All rows together do not fit. Without a limit, Node lets garbage grow to more than that before it collects it.
    { env: { NODE_OPTIONS: '--max-old-space-size=96' } },
  );
  const total = 200_000;
  for (let from = 0; from < total; from += 50_000) {
    const lines = Array.from({ length: 50_000 }, (_, i) => `INFO line ${from + i} ${'x'.repeat(400)}`);
    const response = await call(weir.admin, '/v1/logs', {
      method: 'POST',
      body: gzipSync(lines.join('\n')),
      headers: { 'content-encoding': 'gzip' },
    });
    expect(JSON.parse(response.text)).toEqual({ stored: 50_000 });
  }
  // The first search starts the reader thread, which does not belong to a download.
  await call(weir.admin, '/v1/logs?limit=1');
  const before = weir.residentBytes();
  const req = request(`${weir.admin}/v1/logs?format=ndjson&direction=asc&kind=line`, { agent: false });
  req.end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.headers['x-weir-total-estimate']).toBe(String(total));
  let rows = 0;
  let characters = 0;
  let peak = 0;
  let next = 0;
  let rest = '';
  for await (const chunk of res.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines)
      if (line.includes(`"message":"INFO line ${next} `) || line.includes(`"message":"line ${next} `)) next++;
    rows += lines.length;
    characters += chunk.length;
    if (rows % 50 === 0) peak = Math.max(peak, weir.residentBytes());
  }
  expect(rows).toBe(total);
  expect(next).toBe(total);
  expect(res.trailers['x-weir-rows']).toBe(String(total));
  // Memory holds one page, and garbage that is not collected yet: 60 MB. All rows together have 120 MB.
  expect(peak - before).toBeLessThan(characters);
}, 120_000);
