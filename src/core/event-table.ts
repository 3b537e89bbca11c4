// Table of lifecycle events: the level of each, its line in weir's own log, and its message in the log store.
// Invariant: names never change, since users search for them (`event:replica_down`).
import type { LogLevel } from './logger.ts';

/** Ids of the subject of an event. An event without ids is about weir as a whole. */
export interface EventSubject {
  readonly deployment?: string;
  /** Default: the current environment of the deployment. */
  readonly environment?: string;
  readonly replica?: string;
}

export interface EventKind<F extends EventSubject> {
  /** True: repeats are limited (repeat-limiter.ts), since the event may recur without an action of an operator. */
  readonly isLimited: boolean;
  readonly level: LogLevel;
  /** The value of `event` in the log line. */
  readonly line: string;
  /** The message of the record: full sentences. */
  message(facts: F): string;
}

const kind = <F extends EventSubject>(
  level: LogLevel,
  line: string,
  message: (facts: F) => string,
): EventKind<F> => ({
  isLimited: true,
  level,
  line,
  message,
});
const byOperator = <F extends EventSubject>(
  level: LogLevel,
  line: string,
  message: (facts: F) => string,
): EventKind<F> => ({
  ...kind(level, line, message),
  isLimited: false,
});

/** A replica of a deployment. */
interface OfReplica extends EventSubject {
  readonly deployment: string;
  readonly replica: string;
  readonly url: string;
}

interface ReplicaMoved extends OfReplica {
  /** State before. */
  readonly from: string;
  /** Why the last probe failed. */
  readonly problem?: string | undefined;
}

interface OfDeployment extends EventSubject {
  readonly deployment: string;
  readonly environment: string;
}

/** How a process ended. */
interface ProcessEnd extends EventSubject {
  /** Exit code, or 128 plus the number of the signal, as shells and Kubernetes report it. */
  readonly exit_code: number;
  readonly signal?: string | undefined;
  /** How long it ran, in milliseconds. */
  readonly ran_ms: number;
}

/** Addresses of a host name in replica URLs. */
interface Addresses extends EventSubject {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** The process that replaces this one. */
type OtherProcess = EventSubject & { readonly pid: number };

const because = (problem: string | undefined): string =>
  problem === undefined || problem === '' ? '' : `: ${problem}`;
const inEnvironment = (environment: string): string =>
  environment === '' ? '' : ` of environment ${environment}`;

/** All events. Messages that the contract has are worded as there (docs/contracts/serving.md 6.5). */
export const EVENTS = {
  weir_started: byOperator<
    EventSubject & { version: string; pid: number; data: string; admin: string; scaler?: string | undefined }
  >('info', 'listening', (of) => `weir ${of.version} started; listening for clients on ${of.data}.`),
  weir_draining: byOperator<EventSubject & { running: number; timeout_ms: number; hint: string }>(
    'info',
    'draining',
    (of) =>
      `weir is draining: it accepts no new requests; requests still running: ${of.running}, at most ${of.timeout_ms} ms more.`,
  ),
  weir_stopped: byOperator('info', 'stopped', () => 'weir stopped.'),
  weir_restarting: byOperator<OtherProcess>('info', 'restarting', (of) => `Process ${of.pid} is starting.`),
  weir_restart_failed: byOperator<EventSubject & { problem: string }>(
    'error',
    'restart failed',
    (of) => `The new weir did not start; this one goes on: ${of.problem}.`,
  ),
  weir_replaced: byOperator<OtherProcess & { running: number }>(
    'info',
    'replaced',
    (of) => `Process ${of.pid} accepts connections now; requests still running here: ${of.running}.`,
  ),
  configuration_reloaded: byOperator<EventSubject & { take_a_restart?: readonly string[] | undefined }>(
    'info',
    'configuration reloaded',
    (of) =>
      `Configuration reloaded.${of.take_a_restart === undefined ? '' : ` These settings changed and take effect after a restart: ${of.take_a_restart.join(', ')}.`}`,
  ),
  configuration_refused: byOperator<EventSubject & { problems: readonly string[] }>(
    'error',
    'configuration refused',
    (of) => `Configuration refused; the previous one stays in use: ${of.problems.join('; ')}`,
  ),
  certificate_refused: byOperator<EventSubject & { problem: string }>(
    'error',
    'certificate refused',
    (of) => `Certificate refused; the previous one stays in use: ${of.problem}`,
  ),
  client_keys_reloaded: byOperator<EventSubject & { keys: number }>(
    'info',
    'client keys reloaded',
    (of) => `The key file was read again; keys in all: ${of.keys}.`,
  ),
  client_keys_refused: byOperator<EventSubject & { problem: string }>(
    'error',
    'client keys refused',
    (of) => `Key file refused; the previous keys stay valid: ${of.problem}`,
  ),
  deployment_added: byOperator<OfDeployment & { replicas: number }>(
    'info',
    'deployment added',
    (of) =>
      `Deployment ${of.deployment}${inEnvironment(of.environment)} was added; replicas: ${of.replicas}.`,
  ),
  deployment_removed: byOperator<OfDeployment>(
    'info',
    'deployment removed',
    (of) =>
      `Deployment ${of.deployment}${inEnvironment(of.environment)} was removed; running requests may finish.`,
  ),
  deployment_promoting: byOperator<OfDeployment>(
    'info',
    'deployment is being promoted',
    (of) => `Deployment ${of.deployment} is being promoted to environment ${of.environment}.`,
  ),
  deployment_promoted: byOperator<OfDeployment & { from_environment?: string | undefined }>(
    'info',
    'deployment promoted',
    (of) => `Deployment ${of.deployment} was promoted to environment ${of.environment}.`,
  ),
  deployment_detached: byOperator<OfDeployment & { from_environment: string }>(
    'info',
    'deployment left its environment',
    (of) => `Deployment ${of.deployment} left environment ${of.from_environment}.`,
  ),
  deployment_weight_changed: byOperator<OfDeployment & { from: number; to: number }>(
    'info',
    'traffic weight changed',
    (of) =>
      `Traffic weight of deployment ${of.deployment}${inEnvironment(of.environment)} changed from ${of.from} to ${of.to}.`,
  ),
  deployment_scaled: kind<
    EventSubject & { deployment: string; from: number; to: number; reason: string; mean_in_flight: number }
  >(
    'info',
    'desired replicas changed',
    (of) =>
      `Desired replicas of deployment ${of.deployment} scaled ${of.to > of.from ? 'up' : 'down'} from ${of.from} to ${of.to}.`,
  ),
  replica_added: byOperator<OfReplica>(
    'info',
    'replica added',
    (of) => `Replica ${of.replica} was added at ${of.url}; it gets requests once it is ready.`,
  ),
  replica_removed: byOperator<OfReplica>(
    'info',
    'replica removed',
    (of) => `Replica ${of.replica} at ${of.url} was removed; running requests may finish.`,
  ),
  replica_starting: kind<ReplicaMoved>(
    'info',
    'replica is starting',
    (of) => `Replica ${of.replica} is starting; it gets requests once it is ready.`,
  ),
  replica_started: kind<OfReplica>(
    'info',
    'replica started',
    (of) => `Replica ${of.replica} started at ${of.url}.`,
  ),
  replica_ready: kind<ReplicaMoved>('info', 'replica is ready', (of) => `Replica ${of.replica} is ready.`),
  replica_down: kind<ReplicaMoved>('warn', 'replica is down', (of) =>
    of.problem === undefined || of.problem === ''
      ? `Replica ${of.replica} is down: a request could not reach it. It gets no more requests until it is ready.`
      : `Health check failed. Replica ${of.replica} is down and gets no more requests until it is ready: ${of.problem}`,
  ),
  replica_ejected: kind<ReplicaMoved>(
    'warn',
    'replica is ejected',
    (of) =>
      `Replica ${of.replica} was ejected: too many responses in a row broke off${because(of.problem)}. It gets no requests for a while.`,
  ),
  replica_drained: kind<ReplicaMoved & { running: number }>(
    'info',
    'replica is draining',
    (of) => `Replica ${of.replica} was drained: it gets no more requests; still running: ${of.running}.`,
  ),
  replica_resumed: kind<ReplicaMoved>(
    'info',
    'replica is starting',
    (of) => `Replica ${of.replica} was resumed; it gets requests once it is ready.`,
  ),
  replica_not_ready: kind<OfReplica & { problem: string; for_s: number }>(
    'warn',
    'replica is not ready',
    (of) =>
      `Health check failed. Replica ${of.replica} is not ready${of.for_s > 0 ? ` (for ${of.for_s} s)` : ''}: ${of.problem}`,
  ),
  replica_unhealthy: kind<OfReplica & { reason: string }>(
    'error',
    'replica failed its probes',
    (of) => `Health check failed. Replica ${of.replica} needs a restart: ${of.reason}`,
  ),
  replica_restarting: kind<OfReplica & { reason: string }>(
    'error',
    'replica failed its probes; restarting it',
    (of) => `Health check failed. Replica ${of.replica} is being restarted: ${of.reason}`,
  ),
  addresses_changed: kind<Addresses>(
    'info',
    'addresses of a host changed',
    (of) => `Host ${of.host} has ${of.addresses.length} addresses now: ${of.addresses.join(', ')}.`,
  ),
  addresses_unknown: kind<Addresses & { problem: string }>(
    'warn',
    'host name resolution problem',
    (of) =>
      `Host ${of.host} could not be resolved: ${of.problem}. Addresses still in use: ${of.addresses.join(', ') || 'none'}.`,
  ),
  process_started: kind<EventSubject & { pid: number | undefined; program: string | undefined }>(
    'info',
    'replica process started',
    (of) => `Replica process started (pid ${of.pid}).`,
  ),
  process_restarted: kind<
    EventSubject & {
      pid: number | undefined;
      program: string | undefined;
      restart_count: number;
      pause_ms: number;
    }
  >(
    'info',
    'replica process started',
    (of) =>
      `Replica process restarted after a pause of ${of.pause_ms} ms (pid ${of.pid}, restart count: ${of.restart_count}).`,
  ),
  process_died: kind<ProcessEnd & { restart_in_ms: number; restart_count: number }>(
    'error',
    'replica process died',
    (of) =>
      `Model terminated unexpectedly. Exit code: ${of.exit_code}, reason: ${of.exit_code === 0 ? 'Completed' : 'Error'}, restart count: ${of.restart_count}`,
  ),
  process_not_started: kind<EventSubject & { error: string; restart_in_ms: number | undefined }>(
    'error',
    'replica process could not be restarted',
    (of) => `Replica process could not be restarted: ${of.error}`,
  ),
  process_stopped: kind<ProcessEnd>(
    'info',
    'replica process ended',
    (of) => `Replica process stopped. Exit code: ${of.exit_code}.`,
  ),
  export_paused: kind<EventSubject & { destination: string; problem: string }>(
    'warn',
    'otlp export paused',
    (of) => `Export to ${of.destination} is paused: ${of.problem}`,
  ),
  export_resumed: kind<EventSubject & { destination: string; paused_ms: number }>(
    'info',
    'otlp export resumed',
    (of) => `Export to ${of.destination} resumed after ${of.paused_ms} ms.`,
  ),
  export_state_damaged: byOperator<EventSubject & { problem: string }>(
    'error',
    'otlp export state is unusable',
    (of) => `Saved state of the OTLP export is unusable: ${of.problem}`,
  ),
  admin_change: byOperator<
    EventSubject & {
      method: string;
      path: string;
      status: number;
      /** Id of the key, `admin.key`, or `no key` for requests from this machine. */
      by: string;
      key_name?: string | undefined;
      /** Address of the client, or `unix`. */
      address: string;
      /** Subject of the client's certificate. */
      client_subject?: string | undefined;
      /** What the route has made, if its path does not say it. */
      made?: string | undefined;
    }
  >(
    'info',
    'changed through the admin API',
    (of) =>
      `${of.method} ${of.path} through the admin API, by ${of.key_name === undefined ? of.by : `key ${JSON.stringify(of.key_name)} (${of.by})`} from ${of.address}: status ${of.status}${of.made === undefined ? '' : `, made ${of.made}`}.`,
  ),
  overload_began: kind<EventSubject & { late_ms: number }>(
    'warn',
    'overloaded; new requests are refused',
    (of) => `weir is overloaded: its event loop runs ${of.late_ms} ms late. New requests get 503.`,
  ),
  overload_ended: kind<EventSubject & Readonly<Record<string, unknown>>>(
    'info',
    'not overloaded any more',
    () => 'weir is not overloaded any more; new requests are served again.',
  ),
  http2_client_cut: kind<EventSubject & { address: string; guard: string; problem: string }>(
    'warn',
    'connection of a client was cut',
    (of) => `An HTTP/2 connection of ${of.address} was cut, with all its requests: ${of.problem}.`,
  ),
  prices_changed: byOperator<EventSubject & { entries: number }>(
    'info',
    'prices changed',
    (of) => `Prices of tokens were changed through the admin API; entries: ${of.entries}.`,
  ),
  prices_unusable: byOperator<EventSubject & { problem: string }>(
    'error',
    'stored prices are unusable',
    (of) => `Stored prices are not used, only those of the configuration: ${of.problem}`,
  ),
  queue_store_lost: kind<EventSubject & { problem: string }>(
    'warn',
    'queue store is unreachable',
    (of) => `Store of the async queue is unreachable: ${of.problem}`,
  ),
  queue_store_back: kind<EventSubject>(
    'info',
    'queue store is reachable again',
    () => 'Store of the async queue is reachable again.',
  ),
  log_store_damaged: kind<EventSubject & { file: string; problem: string }>(
    'error',
    'part of the log store is damaged and was set aside',
    (of) => `A part of the log store is damaged and was set aside (${of.file}): ${of.problem}`,
  ),
  log_store_lost: kind<EventSubject & { problem: string; again_in_ms: number }>(
    'error',
    'log store is not being written',
    (of) => `Log store is not being written: ${of.problem}. Next attempt in ${of.again_in_ms} ms.`,
  ),
  log_store_back: kind<EventSubject & { lost: number }>(
    'info',
    'log store is being written again',
    (of) => `Log store is being written again; records lost: ${of.lost}.`,
  ),
  data_thread_lost: kind<EventSubject & { thread: number; problem: string; again_in_ms: number }>(
    'error',
    'data thread ended',
    (of) =>
      `Data thread ${of.thread} ended, and its running requests with it: ${of.problem}. Another one starts in ${of.again_in_ms} ms.`,
  ),
  data_thread_back: kind<EventSubject & { thread: number }>(
    'info',
    'data thread serves requests again',
    (of) => `Data thread ${of.thread} serves requests again.`,
  ),
  store_deletion: byOperator<
    EventSubject & {
      deletion: string;
      state: 'hidden' | 'removed';
      q: string;
      by: string;
      records: number;
      annotations: number;
    }
  >('info', 'records deleted', (of) =>
    of.state === 'hidden'
      ? `Deletion ${of.deletion}: ${of.records} records were deleted; their files are written anew within a day.`
      : `Deletion ${of.deletion}: no file of the log store has the ${of.records} records any more.`,
  ),
  pods_lost: kind<EventSubject & { problem: string }>(
    'warn',
    'pods cannot be watched',
    (of) => `The pods of the deployment cannot be watched: ${of.problem}`,
  ),
  pods_watched: kind<EventSubject & Readonly<Record<string, unknown>>>(
    'info',
    'pods are watched',
    () => 'The pods of the deployment are watched.',
  ),
} as const;
