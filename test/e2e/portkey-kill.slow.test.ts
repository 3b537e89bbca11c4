// Portkey's API when weir is killed: what a client sends again is there once, and an insert is stored whole or not at all.
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { recordsIn } from '../kit/stored-records.ts';
import { bodyOf } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

let front: Server | undefined;

afterEach(async () => {
  front?.closeAllConnections();
  front?.close();
  front = undefined;
  await stopAll();
  removeFolders();
});

const start = (data: string): Promise<Weir> =>
  startWeir(['--replica=http://127.0.0.1:9', '--logs-capture=full', '--data-dir', data]);

/**
 * Stands in front of the admin server. Passes requests on, and at the first answer kills weir instead of passing that
 * on; requests after that wait for the next weir.
 */
async function killAtFirstAnswer(data: string): Promise<{ url: string; kills: () => number }> {
  let weir = await start(data);
  let kills = 0;
  let restarted: Promise<void> | undefined;
  front = createServer((req, res) => {
    void (async () => {
      const body = await bodyOf(req);
      await restarted;
      const { hostname, port } = new URL(weir.admin);
      const onward = request({ hostname, port, method: req.method, path: req.url, headers: req.headers });
      onward.end(body);
      const [answer] = (await once(onward, 'response')) as [IncomingMessage];
      if (kills === 0) {
        kills++;
        restarted = weir.stop('SIGKILL').then(async () => {
          weir = await start(data);
        });
        req.socket.destroy();
        return;
      }
      res.writeHead(answer.statusCode!, answer.headers).end(await bodyOf(answer));
    })();
  });
  await once(front.listen(0, '127.0.0.1'), 'listening');
  const { port } = front.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, kills: () => kills };
}

it.skipIf(clientsAreMissing)('a create that is sent again after a kill makes one export', async () => {
  const { url, kills } = await killAtFirstAnswer(folder());
  const { code, stdout, stderr } = await runClient('portkey-create.mjs', { KEY: 'k', BASE_URL: `${url}/v1` });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(kills()).toBe(1);
  const { text } = await call(url, '/v1/logs/exports');
  const { total, data } = JSON.parse(text) as { total: number; data: { id: string }[] };
  expect(total).toBe(1);
  expect(data[0]!.id).toBe(stdout.trim());
});

it('an insert that a kill interrupts is stored whole or not at all', async () => {
  const data = folder();
  const one = {
    request: { url: 'u', body: { text: 'x'.repeat(2000) } },
    response: { body: 'y'.repeat(2000) },
  };
  const logs = 1000;
  const body = JSON.stringify(Array.from({ length: logs }, () => one));
  const insert = (weir: Weir): Promise<number> =>
    call(weir.admin, '/v1/logs', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-portkey-api-key': 'k' },
      body,
    }).then(
      ({ status }) => status,
      () => 0,
    );
  const first = await start(data);
  const beganMs = performance.now();
  expect(await insert(first)).toBe(200);
  const wholeMs = performance.now() - beganMs;
  await first.stop('SIGKILL');
  let answered = 1;
  let count = 0;
  // From before the body is read until after the answer.
  for (const part of [0.5, 0.8, 0.95, 1.1]) {
    const weir = await start(data);
    const inserted = insert(weir);
    await Promise.race([inserted, new Promise((resolve) => void setTimeout(resolve, part * wholeMs))]);
    await weir.stop('SIGKILL');
    if ((await inserted) === 200) answered++;
    count = recordsIn(data, 'kind:request').length;
    expect(count % logs).toBe(0);
    expect(count).toBeGreaterThanOrEqual(answered * logs);
  }
  // The store goes on.
  const weir = await start(data);
  await until('the records are found', async () => {
    const { text } = await call(weir.admin, '/v1/logs?kind=request&limit=1');
    return (JSON.parse(text) as { logs: unknown[] }).logs.length === 1;
  });
}, 120_000);
