// Queries of BTQL over HTTP, and rows for them.
import type { OpenAdmin } from './admin.ts';
import { sent, type ApiObject } from './braintrust-api.ts';

/** Runs a query that must succeed, and returns its whole answer. */
export const ask = (admin: OpenAdmin, query: unknown, more: ApiObject = {}): Promise<ApiObject> =>
  sent(admin, 'POST', '/btql', { query, fmt: 'json', ...more });

/** The rows of a query. */
export async function rowsOf(admin: OpenAdmin, query: unknown, more: ApiObject = {}): Promise<ApiObject[]> {
  const { data } = await ask(admin, query, more);
  return data as ApiObject[];
}

/** One member of all rows of a query. */
export async function column(admin: OpenAdmin, query: unknown, name = 'id'): Promise<unknown[]> {
  return (await rowsOf(admin, query)).map((row) => row[name]);
}

/** Sends rows to the project. */
export async function logRows(admin: OpenAdmin, project: string, rows: readonly ApiObject[]): Promise<void> {
  const of = rows.map((row) => ({ project_id: project, log_id: 'g', ...row }));
  const { rejected } = await sent(admin, 'POST', '/logs3', { rows: of, api_version: 2 });
  if ((rejected as unknown[]).length > 0) throw new Error(`rejected: ${JSON.stringify(rejected)}`);
}

/** All rows of a query, read in pages by its cursor. */
export async function allPages(admin: OpenAdmin, query: string): Promise<ApiObject[]> {
  const rows: ApiObject[] = [];
  let cursor = '';
  for (let pages = 0; pages < 1000; pages++) {
    const answer = await ask(admin, `${query}${cursor === '' ? '' : ` | cursor: "${cursor}"`}`);
    rows.push(...(answer['data'] as ApiObject[]));
    if (typeof answer['cursor'] !== 'string') return rows;
    ({ cursor } = answer as { cursor: string });
  }
  throw new Error('the pages have no end');
}
