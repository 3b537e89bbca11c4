// GET /v1/find: what an id is, so that a client can open it.
import { nowNs } from '../../../core/time.ts';
import { json, queryOf, type Endpoint } from '../endpoint.ts';
import type { WithExports } from '../portkey/export-routes.ts';
import { callerOf, findExport } from '../portkey/find-export.ts';
import { findId, MAX_ID } from '../records/find-id.ts';
import { readParams } from '../records/query-params.ts';
import type { WithTasks } from './async-tasks.ts';
import type { WithKeys } from './keys.ts';
import { failQuery } from './logs.ts';

export const findEndpoints: readonly Endpoint<WithTasks & WithKeys & WithExports>[] = [
  {
    method: 'GET',
    path: '/v1/find',
    does: 'says what an `id` is: of a request (also the last characters of it, at least 6, within a day), a trace, a span, a record (`seq`), an asynchronous request or an export; `found` is empty if nothing has it',
    scope: 'logs:read',
    async handle({ logs, tasks, keys, exports }, req, res) {
      const params = readParams(queryOf(req), ['id']);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const id = (params.values['id'] ?? '').trim();
      if (id === '' || id.length > MAX_ID)
        return failQuery(req, res, [`id: must have 1 to ${MAX_ID} characters, has ${id.length}`]);
      const caller = callerOf(keys, req);
      const exportOf = (text: string) => exports && findExport(exports, caller, text);
      const found = await findId(id, { logs, tasks, exportOf, nowNs: nowNs() }, res);
      if (found) json(res, 200, found);
    },
  },
];
