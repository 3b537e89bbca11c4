// Tasks in Redis for operators: one by its id, and pages of all, the newest first.
// Invariant: a page reads at most LIST_TASKS tasks and no bodies, in single commands, so that Redis is never blocked.
import type { RedisConnection } from './redis-connection.ts';
import {
  isSelected,
  type NextToExpire,
  statusIn,
  type RetryConfig,
  type TaskError,
  type TaskFacts,
  type TaskPage,
  type TaskPhase,
  type TaskQuery,
  type TaskState,
  type WebhookStatus,
} from '../task.ts';

/** Commands of Redis; calls run inside `RedisConnection.run`. */
type Redis = RedisConnection['redis'];

/** Tasks that one page looks at. */
const LIST_TASKS = 200;
/** Fields of a task's hash, in the order in which `factsOf` reads them. */
const FIELDS = [
  'deployment',
  'phase',
  'priority',
  'created',
  'changed',
  'expires',
  'attempts',
  'deliveries',
  'ending',
  'webhook',
  'webhook_status',
  'retry',
  'errors',
  'traceparent',
  'client',
] as const;

/** The state of a task that clients see. `ending`: '' before its end. */
export const taskState = (phase: string, attempts: string, ending: string): TaskState =>
  ending === ''
    ? statusIn(phase as 'waiting' | 'running' | 'resting', Number(attempts))
    : (ending as TaskState);

/** The facts of these tasks in the same order; `undefined` for those that are gone. `root`: of all keys. */
export async function factsOfTasks(
  redis: Redis,
  root: string,
  ids: readonly string[],
): Promise<(TaskFacts | undefined)[]> {
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) {
    pipeline.hmget(`${root}task:${id}`, ...FIELDS);
    pipeline.zscore(`${root}resting`, id);
    pipeline.zscore(`${root}outbox`, id);
  }
  const replies = ((await pipeline.exec()) ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
  return ids.map((id, i) => {
    const [fields, resting, outbox] = replies.slice(3 * i, 3 * i + 3) as [
      (string | null)[],
      string | null,
      string | null,
    ];
    return factsOf(id, fields, resting ?? outbox);
  });
}

/** A page of all tasks. */
export async function listTasks(redis: Redis, root: string, query: TaskQuery): Promise<TaskPage> {
  const all = `${root}all`;
  const from = await firstRank(redis, all, query.after);
  const ids = await redis.zrevrange(all, from, from + LIST_TASKS - 1);
  const found = await factsOfTasks(redis, root, ids);
  const tasks: TaskFacts[] = [];
  for (const [i, task] of found.entries()) {
    if (task === undefined || !isSelected(query, task)) continue;
    tasks.push(task);
    if (tasks.length === query.limit) return { tasks, next: cursorOf(ids[i]!, task.createdMs) };
  }
  // Tasks that an earlier version has deleted are still in the set.
  const gone = ids.filter((_, i) => found[i] === undefined);
  if (gone.length > 0) await redis.zrem(all, ...gone);
  if (ids.length < LIST_TASKS) return { tasks, next: '' };
  const last = found.findLast((task) => task !== undefined);
  // Without any task on the page, the next one begins at the same rank, since these are removed.
  return { tasks, next: last === undefined ? query.after : cursorOf(last.id, last.createdMs) };
}

/** The waiting task that expires first. */
export async function nextToExpire(redis: Redis, root: string): Promise<NextToExpire | undefined> {
  const [id, expires] = await redis.zrangebyscore(
    `${root}expiries`,
    '-inf',
    '+inf',
    'WITHSCORES',
    'LIMIT',
    0,
    1,
  );
  if (id === undefined) return undefined;
  const created = await redis.hget(`${root}task:${id}`, 'created');
  // It may have begun to run meanwhile.
  return created === null ? undefined : { createdMs: Number(created), expiresMs: Number(expires) };
}

const cursorOf = (id: string, createdMs: number): string => `${createdMs}-${id}`;

/** Rank of the first task of a page: behind the last one of the page before, or where that one was. */
async function firstRank(redis: Redis, all: string, after: string): Promise<number> {
  const [, created, id] = /^(\d{1,15})-(.+)$/.exec(after) ?? [];
  if (created === undefined) return 0;
  const rank = await redis.zrevrank(all, id!);
  return rank === null ? redis.zcount(all, created, '+inf') : rank + 1;
}

function factsOf(
  id: string,
  fields: readonly (string | null)[],
  dueMs: string | null,
): TaskFacts | undefined {
  const of = (name: (typeof FIELDS)[number]): string => fields[FIELDS.indexOf(name)] ?? '';
  const phase = of('phase') as TaskPhase | '';
  if (phase === '') return undefined;
  const attempts = Number(of('attempts'));
  return {
    id,
    deployment: of('deployment'),
    status: taskState(phase, of('attempts'), of('ending')),
    webhookStatus: of('webhook_status') as WebhookStatus,
    createdMs: Number(of('created')),
    statusMs: Number(of('changed')),
    errors: JSON.parse(of('errors')) as TaskError[],
    phase,
    priority: Number(of('priority')),
    attempts,
    maxAttempts: (JSON.parse(of('retry')) as RetryConfig).max_attempts,
    deliveries: Number(of('deliveries')),
    expiresMs: phase === 'waiting' && attempts === 0 ? Number(of('expires')) : undefined,
    dueMs: dueMs === null ? undefined : Number(dueMs),
    webhook: of('webhook'),
    client: of('client'),
    traceparent: of('traceparent'),
  };
}
