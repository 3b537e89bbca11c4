// A weir that is killed again and again while rules score what clients log, and checks of what it has stored then.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { fetchAll, projectId, send, sent, type ApiObject } from './braintrust-api.ts';
import { folder } from './folder.ts';
import { until } from './until.ts';
import { startWeir, type Weir } from './weir.ts';

const SPANS = 40;
const ONLINE = { sampling_rate: 1, scorers: [{ type: 'global', name: 'ExactMatch' }] };

const start = (path: string): Promise<Weir> =>
  startWeir(['--replica', 'http://127.0.0.1:9', '--data-dir', path, '--logs-capture=full']);

const adminOf = (weir: Weir) => ({ url: weir.admin });

const makeRule = (weir: Weir, rule: object): Promise<ApiObject> =>
  sent(adminOf(weir), 'POST', '/v1/project_score', rule);

/** Logs spans and requests until weir is gone. Returns the ids of the spans that were acknowledged. */
async function logUntilKilled(weir: Weir, project: string, round: number): Promise<string[]> {
  const ids: string[] = [];
  const admin = adminOf(weir);
  for (let i = 0; i < SPANS; i++) {
    const id = `r${round}-${i}`;
    const row = { id, span_id: `span-${id}`, root_span_id: `root-${id}`, input: i, output: 'a' };
    const events = [{ ...row, expected: i % 2 === 0 ? 'a' : 'b' }];
    // An old span that is changed again while rules score others.
    if (round > 0 && i % 5 === 0)
      events.push({ id: `r${round - 1}-${i}`, _is_merge: true, metadata: { round } } as never);
    try {
      const { status } = await send(admin, 'POST', `/v1/project_logs/${project}/insert`, { events });
      if (status !== 200) break;
      ids.push(id);
      await send(admin, 'POST', '/v1/logs', {
        request: { url: '/v1/chat/completions', body: { messages: [] } },
        response: { body: { choices: [{ message: { content: 'a' } }] } },
        metadata: { id },
      });
    } catch {
      // It was killed.
      break;
    }
  }
  return ids;
}

const behind = async (weir: Weir, id: unknown): Promise<number> => {
  const { status } = await sent(adminOf(weir), 'GET', `/v1/project_score/${String(id)}`);
  return (status as { behind_records: number }).behind_records;
};

/** Waits until a rule has stored further scores, or for a second. */
async function scoresStored(weir: Weir, id: unknown): Promise<void> {
  const scored = async (): Promise<unknown> => {
    const { status } = await sent(adminOf(weir), 'GET', `/v1/project_score/${String(id)}`);
    return (status as ApiObject)['scored'];
  };
  const before = await scored();
  const endMs = performance.now() + 1000;
  while ((await scored()) === before && performance.now() < endMs) continue;
}

/** Kills weir in each round. Then each span that was acknowledged has one score of the rule, and so has each request. */
export async function expectEachScoredOnce(rounds: number): Promise<void> {
  const path = folder();
  let weir = await start(path);
  const project = await projectId(adminOf(weir), 'p');
  const ofSpans = await makeRule(weir, { project_id: project, name: 'spans', config: { online: ONLINE } });
  const ofRequests = await makeRule(weir, {
    name: 'requests',
    config: { online: { ...ONLINE, source: 'requests' } },
  });
  const logged: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const logging = logUntilKilled(weir, project, round);
    await sleep(randomInt(300, 1500));
    // In every other round just after scores were stored, when the cursor is not on disk yet.
    if (round % 2 === 1) await scoresStored(weir, ofRequests['id']);
    await weir.stop('SIGKILL');
    logged.push(...(await logging));
    weir = await start(path);
  }
  const admin = adminOf(weir);
  const rows = await until('all spans are scored', async () => {
    const found = await fetchAll(admin, project, { limit: 1000 });
    const roots = found.filter((row) => row['output'] === 'a');
    const isDone = roots.every(({ scores }) => scores !== null && scores !== undefined);
    return roots.length >= logged.length && isDone && found;
  });
  for (const id of [ofSpans['id'], ofRequests['id']])
    await until('the rule is at the end', async () => (await behind(weir, id)) === 0);
  const children = new Map<unknown, number>();
  for (const { root_span_id: root, span_attributes: attributes } of rows)
    if ((attributes as ApiObject | null)?.['type'] === 'score')
      children.set(root, (children.get(root) ?? 0) + 1);
  expect(logged.filter((id) => children.get(`root-${id}`) !== 1)).toEqual([]);
  const byRow = new Map(rows.map((row) => [row['id'], row]));
  for (const id of logged) {
    const isSame = Number(id.split('-')[1]) % 2 === 0;
    expect(byRow.get(id)!['scores'], id).toEqual({ ExactMatch: isSame ? 1 : 0 });
  }
  const requests = await allLogs(weir, 'kind:request');
  const annotated = (await allLogs(weir, 'kind:annotation')).map(({ request_id: id }) => String(id));
  expect(requests.length).toBeGreaterThan(rounds);
  expect(annotated.toSorted()).toEqual(requests.map(({ request_id: id }) => String(id)).toSorted());
  await weir.stop();
}

/** All records that match a query. */
async function allLogs(weir: Weir, query: string): Promise<ApiObject[]> {
  const found: ApiObject[] = [];
  for (let cursor = ''; ;) {
    const page = await sent(
      adminOf(weir),
      'GET',
      `/v1/logs?limit=1000&q=${encodeURIComponent(query)}${cursor}`,
    );
    found.push(...(page['logs'] as ApiObject[]));
    if (!page['cursor']) return found;
    cursor = `&cursor=${encodeURIComponent(page['cursor'] as string)}`;
  }
}
