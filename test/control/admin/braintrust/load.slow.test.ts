// Braintrust's routes under load.
import { afterEach, expect, it } from 'vitest';
import { closeAdmins, startAdmin, withChanges } from '../../../kit/admin.ts';
import { byId, fetchAll, send, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
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

it('ends a page early when its rows are large, and cuts rows of a trace that has too many', async () => {
  const admin = await startAdmin();
  const input = 'long '.repeat(1_500_000);
  const log = (id: string, root: string) =>
    sent(admin, 'POST', '/logs3', {
      rows: [{ id, project_id: PROJECT, span_id: id, root_span_id: root, input, metadata: { of: root } }],
    });
  for (let i = 0; i < 6; i++) await log(`a${i}`, 'a');
  await log('b', 'b');
  const isCut = (row: ApiObject) => (row['metadata'] as ApiObject)['_weir_truncated'] === true;
  const rows = await fetchAll(admin, PROJECT, { limit: 2 });
  expect(rows.map((row) => [row['id'], isCut(row)])).toEqual([
    ['b', false],
    ['a5', true],
    ...['a4', 'a3', 'a2', 'a1', 'a0'].map((id) => [id, false]),
  ]);
  for (const row of rows) expect(String(row['input']).startsWith('long long')).toBe(true);
  const first = await sent(admin, 'GET', `/v1/project_logs/${PROJECT}/fetch?limit=2`);
  expect(first['events']).toHaveLength(1);
  const filters = [{ type: 'path_lookup', path: ['metadata', 'of'], value: 'a' }];
  const page = await sent(admin, 'POST', `/v1/project_logs/${PROJECT}/fetch`, { filters });
  expect(page['events']).toHaveLength(1);
  expect((await fetchAll(admin, PROJECT, { filters })).filter(isCut)).toEqual([]);
}, 120_000);

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
