// Steps of a task in Redis, one Lua script each. Redis runs a script alone and replicates it as a whole.
// Invariant: only these scripts change the hash of a task, and the hash decides, not its ticket.
//
// A ticket (bullmq-queue.ts) tells that a task waits. A lost ticket is written again from `unwritten`; `start` drops a
// stale one. A ticket carries the generation of its task, which grows each time that the task waits again. There is one
// ticket per generation and it lasts until its run has ended, so no two runs start from one generation.
//
// Keys below one root, which is in braces so that all keys are in one hash slot:
//   task:<id>   hash of a task          key:<len>:<deployment>:<key>   id of the task with this idempotency key
//   depth       hash, q:<deployment> and p:<deployment>     unwritten  set of tickets that their queue may lack
//   schema      version of all this
//   all         sorted set of all task ids by the time of their submit; of tasks of an earlier version it lacks some
//   expiries, resting, outbox, done     sorted sets of task ids by due time, in milliseconds of the caller's clock

const PRELUDE = `
local root, call = KEYS[1], redis.call
local function task(id) return root .. 'task:' .. id end
local function key(name) return root .. 'key:' .. name end
local function get(id, ...) return call('HMGET', task(id), ...) end
local function set(id, ...) return call('HSET', task(id), ...) end
local function count(deployment, queued, running)
  if queued ~= 0 then call('HINCRBY', root .. 'depth', 'q:' .. deployment, queued) end
  if running ~= 0 then call('HINCRBY', root .. 'depth', 'p:' .. deployment, running) end
end
local function depth(deployment)
  local n = call('HMGET', root .. 'depth', 'q:' .. deployment, 'p:' .. deployment)
  return tonumber(n[1] or '0'), tonumber(n[2] or '0')
end
local function reply(deployment, ...)
  local queued, running = depth(deployment)
  return { deployment, queued, running, ... }
end
local function ticket(kind, priority, id, deployment)
  local name = id .. '.' .. call('HINCRBY', task(id), 'generation', 1)
  local text = kind .. '\\n' .. priority .. '\\n' .. name .. '\\n' .. deployment
  call('SADD', root .. 'unwritten', text)
  return text
end
local function due(set, now, limit)
  return call('ZRANGEBYSCORE', root .. set, '-inf', now, 'LIMIT', 0, limit)
end
local function isHeld(id, phase, owner)
  local held = get(id, 'phase', 'owner')
  return held[1] == phase and held[2] == owner
end
local function done(id, now, retention)
  set(id, 'phase', 'done', 'changed', now)
  call('HDEL', task(id), 'input')
  call('ZADD', root .. 'done', tonumber(now) + tonumber(retention), id)
end
local function abandon(id, ending, now, retention)
  local t = get(id, 'deployment', 'webhook')
  set(id, 'ending', ending)
  if t[2] ~= '' then set(id, 'webhook_status', 'CANCELED') end
  call('ZREM', root .. 'expiries', id)
  count(t[1], -1, 0)
  done(id, now, retention)
end
local function deliveries(now, limit)
  for _, id in ipairs(due('outbox', now, limit)) do
    call('ZREM', root .. 'outbox', id)
    ticket('deliver', 1, id, '')
  end
end
`;

/** Priority of the ticket of a new task, and of a task that waits again and keeps its place. */
const FRESH = `2 * priority + 2`;
const AGAIN = `2 * priority + 1`;

const add = `
local id, deployment, priority, created, expires, webhook, retry, name, digest, input, max, traceparent, private, client = unpack(ARGV)
if name ~= '' then
  local known = call('GET', key(name))
  if known then
    if call('HGET', task(known), 'digest') ~= digest then return reply(deployment, 'idempotency_conflict') end
    return reply(deployment, 'known', known)
  end
end
if call('EXISTS', task(id)) == 1 then return reply(deployment, 'id_in_use') end
local queued, running = depth(deployment)
if queued + running >= tonumber(max) then return reply(deployment, 'queue_full') end
set(id, 'deployment', deployment, 'phase', 'waiting', 'priority', priority, 'created', created, 'changed', created,
  'expires', expires, 'attempts', 0, 'deliveries', 0, 'generation', 0, 'webhook', webhook,
  'webhook_status', webhook == '' and 'NO_WEBHOOK_PROVIDED' or 'PENDING', 'retry', retry, 'key', name,
  'digest', digest, 'errors', '[]', 'input', input, 'traceparent', traceparent, 'private', private,
  'client', client)
if name ~= '' then call('SET', key(name), id) end
call('ZADD', root .. 'expiries', expires, id)
call('ZADD', root .. 'all', created, id)
count(deployment, 1, 0)
return reply(deployment, 'added', ticket('run', ${FRESH}, id, deployment))
`;

const cancel = `
local id, now, retention = unpack(ARGV)
local t = get(id, 'phase', 'attempts', 'ending', 'deployment', 'generation')
if not t[1] then return {} end
if t[1] ~= 'waiting' or t[2] ~= '0' then return reply(t[4], 'no', t[1], t[2], t[3] or '') end
abandon(id, 'CANCELED', now, retention)
return reply(t[4], 'yes', id .. '.' .. t[5])
`;

/** The caller has locked the ticket, so a task in phase `running` was claimed by a process that has crashed. */
const start = `
local id, generation, owner, now, retention = unpack(ARGV)
local t = get(id, 'phase', 'generation', 'attempts', 'deployment', 'created', 'retry', 'webhook', 'input', 'traceparent', 'private',
  'client')
if t[2] ~= generation or (t[1] ~= 'waiting' and t[1] ~= 'running') then return {} end
local expires = call('ZSCORE', root .. 'expiries', id)
if expires and tonumber(expires) <= tonumber(now) then
  abandon(id, 'EXPIRED', now, retention)
  return reply(t[4], 'expired')
end
call('ZREM', root .. 'expiries', id)
if t[3] == '0' then count(t[4], -1, 1) end
local attempts = call('HINCRBY', task(id), 'attempts', 1)
set(id, 'phase', 'running', 'owner', owner, 'changed', now)
-- The last three may be missing in tasks of an earlier version.
return reply(t[4], 'run', attempts, t[5], t[6], t[7], t[8], t[9] or '', t[10] or '0', t[11] or '')
`;

const retryLater = `
local id, owner, due, error = unpack(ARGV)
if not isHeld(id, 'running', owner) then return {} end
local errors = cjson.decode(call('HGET', task(id), 'errors'))
errors[#errors + 1] = cjson.decode(error)
if #errors > 10 then table.remove(errors, 1) end
set(id, 'phase', 'resting', 'errors', cjson.encode(errors))
call('ZADD', root .. 'resting', due, id)
return {}
`;

const giveBack = `
local id, owner = unpack(ARGV)
if not isHeld(id, 'running', owner) then return {} end
local t = get(id, 'deployment', 'expires', 'priority')
local priority = tonumber(t[3])
set(id, 'phase', 'waiting')
if call('HINCRBY', task(id), 'attempts', -1) == 0 then
  count(t[1], 1, -1)
  call('ZADD', root .. 'expiries', t[2], id)
end
return reply(t[1], ticket('run', ${AGAIN}, id, t[1]))
`;

const finish = `
local id, owner, now, retention, status, errors, keep, type, body = unpack(ARGV)
if not isHeld(id, 'running', owner) then return {} end
local t = get(id, 'deployment', 'webhook')
set(id, 'ending', status, 'errors', errors, 'keep', keep)
if type and (keep == '1' or t[2] ~= '') then set(id, 'type', type, 'body', body) end
count(t[1], 0, -1)
done(id, now, retention)
if t[2] ~= '' then
  set(id, 'phase', 'outbox')
  call('ZREM', root .. 'done', id)
  call('ZADD', root .. 'outbox', now, id)
end
return reply(t[1])
`;

const startDelivery = `
local id, generation, owner, later = unpack(ARGV)
local t = get(id, 'phase', 'generation', 'deployment', 'webhook', 'ending', 'errors', 'type', 'body', 'traceparent')
if t[2] ~= generation or (t[1] ~= 'outbox' and t[1] ~= 'sending') then return {} end
for i = 5, #ARGV do
  if string.sub(t[4], 1, #ARGV[i]) == ARGV[i] then
    set(id, 'phase', 'outbox')
    call('ZADD', root .. 'outbox', later, id)
    return {}
  end
end
set(id, 'phase', 'sending', 'owner', owner)
local attempts = call('HINCRBY', task(id), 'deliveries', 1)
return reply(t[3], 'deliver', attempts, t[9] or '', t[4], t[5], t[6], t[7], t[8])
`;

const deliverLater = `
local id, owner, due = unpack(ARGV)
if not isHeld(id, 'sending', owner) then return {} end
set(id, 'phase', 'outbox')
call('ZADD', root .. 'outbox', due, id)
return {}
`;

const finishDelivery = `
local id, owner, taken, now, retention = unpack(ARGV)
if not isHeld(id, 'sending', owner) then return {} end
local t = get(id, 'keep', 'ending')
set(id, 'webhook_status', taken == '1' and 'SUCCEEDED' or 'FAILED')
if taken == '0' and t[2] == 'SUCCEEDED' then set(id, 'ending', 'WEBHOOK_FAILED') end
if t[1] ~= '1' then call('HDEL', task(id), 'type', 'body') end
done(id, now, retention)
return {}
`;

/** Returns the number of tickets in `unwritten`. */
const promote = `
local now, limit = unpack(ARGV)
deliveries(now, limit)
return call('SCARD', root .. 'unwritten')
`;

/** Returns deployment and ticket of each expired task, alternately. */
const sweep = `
local now, retention, limit = unpack(ARGV)
local expired = {}
for _, id in ipairs(due('expiries', now, limit)) do
  local t = get(id, 'deployment', 'generation')
  abandon(id, 'EXPIRED', now, retention)
  expired[#expired + 1] = t[1]
  expired[#expired + 1] = id .. '.' .. t[2]
end
for _, id in ipairs(due('resting', now, limit)) do
  local t = get(id, 'deployment', 'priority')
  local priority = tonumber(t[2])
  call('ZREM', root .. 'resting', id)
  set(id, 'phase', 'waiting')
  ticket('run', ${AGAIN}, id, t[1])
end
for _, id in ipairs(due('done', now, limit)) do
  local t = get(id, 'deployment', 'key')
  if t[2] and t[2] ~= '' then call('DEL', key(t[2])) end
  call('DEL', task(id))
  call('ZREM', root .. 'done', id)
  call('ZREM', root .. 'all', id)
end
deliveries(now, limit)
return expired
`;

const bodies = {
  add,
  cancel,
  start,
  retryLater,
  giveBack,
  finish,
  startDelivery,
  deliverLater,
  finishDelivery,
  promote,
  sweep,
};

export type ScriptName = keyof typeof bodies;

/** Name → Lua. KEYS[1] is the root; the first line of each script names its ARGV. */
export const scripts = Object.fromEntries(
  Object.entries(bodies).map(([name, body]) => [name, PRELUDE + body]),
) as Readonly<Record<ScriptName, string>>;
