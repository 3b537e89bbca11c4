// Bodies of POST /logs3 as Braintrust's SDK sent them (test/fixtures/braintrust/logs3.jsonl), sent again and in other orders.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { byId, fetchAll, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { removeFolders } from '../../../kit/folder.ts';

interface Recorded {
  /** Name of the program that sent it. */
  readonly flow: string;
  readonly body: { readonly rows: readonly ApiObject[] };
}
const all = readFileSync(new URL('../../../fixtures/braintrust/logs3.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);
const flows = [...new Set(all.map(({ flow }) => flow))];

let admin: OpenAdmin;
let copies = 0;

beforeAll(async () => {
  admin = await startAdmin();
});
afterAll(async () => {
  await closeAdmins();
  removeFolders();
});

/**
 * What is left of the rows of these bodies, by project and id, without what tells when they were stored. Each call has
 * projects of its own.
 */
async function rowsOf(bodies: readonly Recorded['body'][]): Promise<Record<string, ApiObject>> {
  const suffix = `-${++copies}`;
  const projects = new Set<string>();
  for (const body of bodies) {
    const rows = body.rows.map((row) => ({ ...row, project_id: `${row['project_id'] as string}${suffix}` }));
    for (const row of rows) projects.add(row.project_id);
    const { rejected } = await sent(admin, 'POST', '/logs3', { ...body, rows });
    expect(rejected).toEqual([]);
  }
  const left: Record<string, ApiObject> = {};
  for (const project of projects)
    for (const [id, row] of Object.entries(byId(await fetchAll(admin, project)))) {
      for (const name of ['_xact_id', '_pagination_key', 'audit_data', 'project_id']) delete row[name];
      left[`${project.slice(0, -suffix.length)} ${id}`] = row;
    }
  return left;
}

it.each(flows)('leave the same rows when each is sent twice: %s', async (flow) => {
  const bodies = all.filter((one) => one.flow === flow).map(({ body }) => body);
  const once = await rowsOf(bodies);
  expect(Object.keys(once)).not.toEqual([]);
  expect(await rowsOf(bodies.flatMap((body) => [body, body]))).toEqual(once);
  expect(await rowsOf([...bodies, ...bodies])).toEqual(once);
});

/** Rows without the values that several bodies set, of which the last to arrive holds. Tags in the order of the alphabet. */
function withoutConflicts(
  rows: Readonly<Record<string, ApiObject>>,
  bodies: readonly Recorded['body'][],
): Record<string, ApiObject> {
  const sent = bodies.flatMap((body) => body.rows);
  const isSetOnce = (id: unknown, name: string) =>
    sent.filter((row) => row['id'] === id && Object.hasOwn(row, name)).length < 2;
  const kept = (row: ApiObject) =>
    Object.entries(row).flatMap(([name, value]): [string, unknown][] => {
      if (name === 'tags') return [[name, (value as string[]).toSorted()]];
      return typeof value === 'object' || isSetOnce(row['id'], name) ? [[name, value]] : [];
    });
  return Object.fromEntries(Object.entries(rows).map(([key, row]) => [key, Object.fromEntries(kept(row))]));
}

it.each(flows)('leave the same rows in reverse order: %s', async (flow) => {
  const bodies = all.filter((one) => one.flow === flow).map(({ body }) => body);
  const reversed = await rowsOf(bodies.toReversed());
  expect(withoutConflicts(reversed, bodies)).toEqual(withoutConflicts(await rowsOf(bodies), bodies));
});
