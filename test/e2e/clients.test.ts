// Client libraries of others use weir's data server as they use the service that they are written for.
import { afterAll, expect, it } from 'vitest';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { ModelReplica } from '../kit/model-replica.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

const replica = await new ModelReplica().start();

afterAll(async () => {
  await stopAll();
  await replica.close();
});

it.skipIf(clientsAreMissing)("answers a chat request of Portkey's client", async () => {
  const weir = await startWeir(['--replica', replica.url]);
  const { code, stdout, stderr } = await runClient('portkey-chat.ts', { WEIR_URL: `${weir.url}/v1` });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toBe('The water flows');
});
