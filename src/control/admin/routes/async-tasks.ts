// Routes of the tasks of asynchronous requests: a list, and one task with its runs and deliveries.
// Invariant: a list looks at a limited number of tasks; its cursor goes on behind them.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TASK_STATES, type Queue, type TaskFacts, type TaskQuery } from '../../../async/queue/queue.ts';
import { describe } from '../../../core/errors.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { isClosed } from '../logs/paged-search.ts';
import { wholeNumberParam } from '../logs/search-params.ts';
import type { AsyncListJson } from '../records/async-json.ts';
import { cursorFor, readCursor, readParams } from '../records/query-params.ts';
import { taskDetail, taskJson } from '../records/task-json.ts';
import type { WithModel } from './contract-logs.ts';
import { failQuery } from './logs.ts';

/** Modules of these routes. */
export interface WithTasks extends WithModel {
  readonly tasks: Pick<Queue, 'facts' | 'list' | 'depth'>;
}

const LIMIT = { min: 1, max: 500, fallback: 100 };
/** Longest time for one list. */
const LIST_MS = 2000;

export const asyncTaskEndpoints: readonly Endpoint<WithTasks>[] = [
  {
    method: 'GET',
    path: '/v1/async',
    does: 'lists tasks of asynchronous requests that the queue keeps, the newest first: `deployment`, `state` (one or several, with commas between them), `limit` (1 to 500), `cursor`',
    scope: 'logs:read',
    async handle(context, req, res) {
      const query = readQuery(req);
      if ('problems' in query) return failQuery(req, res, query.problems);
      const listed = await orFail(req, res, () => list(context, query, res));
      if (listed) json(res, 200, listed);
    },
  },
  {
    method: 'GET',
    path: '/v1/async/{id}',
    does: 'returns a task of an asynchronous request, with its runs and the tries to deliver its result',
    scope: 'logs:read',
    async handle({ tasks, logs }, req, res, [id]) {
      const params = readParams(queryOf(req), []);
      if ('problems' in params) return failQuery(req, res, params.problems);
      const found = await orFail(req, res, async () => ({ task: await tasks.facts(id!) }));
      if (!found) return;
      if (found.task === undefined)
        return fail(
          req,
          res,
          'unknown_record',
          `${id!.slice(0, 256)}; the queue keeps a task for async.retention`,
          {
            text: 'No such task',
          },
        );
      const detail = await taskDetail(found.task, logs, res);
      if (detail) json(res, 200, detail);
    },
  },
];

function readQuery(req: IncomingMessage): TaskQuery | { readonly problems: readonly string[] } {
  const params = readParams(queryOf(req), ['deployment', 'state', 'limit', 'cursor']);
  if ('problems' in params) return params;
  const { values } = params;
  const states = (values['state'] ?? '')
    .split(',')
    .flatMap((state) => (state === '' ? [] : state.toUpperCase()));
  const problems = states
    .filter((state) => !TASK_STATES.some((known) => known === state))
    .map((state) => `state: ${JSON.stringify(state.slice(0, 40))} must be one of ${TASK_STATES.join(', ')}`);
  const limit = wholeNumberParam(params, 'limit', LIMIT);
  if (typeof limit === 'string') problems.push(limit);
  return problems.length > 0 || typeof limit === 'string'
    ? { problems }
    : {
        deployment: values['deployment'] ?? '',
        states: states as TaskQuery['states'],
        after: readCursor(values['cursor']),
        limit,
      };
}

/** Reads pages until the list is full, the tasks are over, or the time is. `undefined` if the client has left. */
async function list(
  { tasks: queue, targets }: WithTasks,
  query: TaskQuery,
  res: ServerResponse,
): Promise<AsyncListJson | undefined> {
  const untilMs = performance.now() + LIST_MS;
  const tasks: TaskFacts[] = [];
  let after = query.after;
  do {
    const page = await queue.list({ ...query, after, limit: query.limit - tasks.length });
    if (isClosed(res)) return undefined;
    tasks.push(...page.tasks);
    after = page.next;
  } while (after !== '' && tasks.length < query.limit && performance.now() < untilMs);
  return {
    tasks: tasks.map(taskJson),
    ...(after === '' ? {} : { cursor: cursorFor(after) }),
    depths: targets().deployments.map((deployment) => {
      const { queued, inProgress } = queue.depth(deployment);
      return { deployment, queued, in_progress: inProgress };
    }),
  };
}

/** The result of `read`. Sends an error response and returns `undefined` if the store of the queue cannot be read. */
async function orFail<T>(
  req: IncomingMessage,
  res: ServerResponse,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    fail(req, res, 'storage_failed', describe(error), { text: 'The queue cannot be read' });
    return undefined;
  }
}
