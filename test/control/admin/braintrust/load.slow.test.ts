// Braintrust's routes under load.
import { afterEach, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges } from '../../../kit/admin.ts';
import { byId, fetchAll, send, sent } from '../../../kit/braintrust-api.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const LOGIN = '/api/apikey/login';
const REGISTER = '/api/project/register';
const PROJECT = '29fd5284-c361-4a7f-8eb5-2e543e1c66aa';
const never = () => new Promise<never>(() => undefined);

it('stores 10,000 rows of one body', async () => {
  const admin = await startAdmin();
  const rows = Array.from({ length: 10_000 }, (_, i) => ({ id: `r${i}`, project_id: PROJECT, input: i }));
  const answer = await sent(admin, 'POST', '/logs3', { rows });
  expect(answer['ids']).toHaveLength(10_000);
  expect(Object.keys(byId(await fetchAll(admin, PROJECT, { limit: 1000 })))).toHaveLength(10_000);
});

it('answers logins and registrations 10,000 times while the log store is stalled, large bodies arrive and no disk can be written', async () => {
  // A file in the place of the data folder's projects.json, so that it cannot be replaced.
  const path = folder({ 'projects.json/x': '' });
  const admin = await startAdmin({
    path,
    wrap: (logs) => withChanges(logs, { postRows: never, page: never, post: never }),
  });
  // Their buffers fill the memory for bodies, so that further bodies are refused.
  const body = `{"rows":[],"x":"${'x'.repeat(30 * 1024 ** 2)}"}`;
  const stalled = Array.from({ length: 6 }, () => send(admin, 'POST', '/logs3', body).catch(() => undefined));
  const statuses = new Map<number, number>();
  const calls = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const answer = await fetch(
        `${admin.url}${i % 2 === 0 ? LOGIN : REGISTER}`,
        i % 2 === 0
          ? { method: 'POST' }
          : {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: `{"project_name":"p${i % 20}"}`,
            },
      );
      await answer.arrayBuffer();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 50 }, () => calls(200)));
  expect([...statuses]).toEqual([[200, 10_000]]);
  await admin.stop();
  await Promise.all(stalled);
}, 120_000);
