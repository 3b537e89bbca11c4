// The task of an asynchronous request: its state, runs and webhook deliveries.
// Invariant: a task that the queue has forgotten is told from its records.
import type { ComponentChildren, JSX } from 'preact';
import type { AsyncDetailJson, AsyncTaskJson } from '../../../src/control/admin/records/async-json.ts';
import type { RequestJson, SiblingJson } from '../../../src/control/admin/records/request-json.ts';
import type { FlatSpanJson } from '../../../src/control/admin/records/trace-json.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { duration, msOfNs, text, visibleLine } from '../../formats.ts';
import { Num, State, Time } from '../../parts/basics.tsx';
import { shapeOf, TaskState } from './facts.tsx';
import { SideSection } from './side-parts.tsx';

const PHASES: Readonly<Record<AsyncTaskJson['phase'], string>> = {
  waiting: 'waits for a replica',
  running: 'runs',
  resting: 'waits for its next run',
  outbox: 'its result waits for delivery',
  sending: 'its result is being delivered',
  done: 'ended',
};

/** How often a task that has not ended is asked for. */
const EVERY_MS = 3000;

export const TaskSide = ({ task: first }: { readonly task: AsyncTaskJson }): JSX.Element => {
  const isEnded = first.phase === 'done';
  const live = useAnswer<AsyncDetailJson>(
    { path: `/v1/async/${encodeURIComponent(first.id)}` },
    { everyMs: isEnded ? 0 : EVERY_MS },
  );
  const detail = live.asked.value.value;
  const task = detail?.task ?? first;
  const waitEndMs = detail?.runs[0] === undefined ? undefined : Date.parse(detail.runs[0].timestamp);
  return (
    <>
      <SideSection title="Task" side={<TaskState state={task.state} />}>
        <dl class="kv num">
          <Row name="Now">{PHASES[task.phase]}</Row>
          <Row name="Priority">{task.priority}</Row>
          <Row name="Runs">
            {task.attempts} <span class="dim">of at most {task.max_attempts}</span>
          </Row>
          <Row name="Waited">
            {waitEndMs === undefined ? '–' : text(duration(waitEndMs - Date.parse(task.created_at)))}
          </Row>
          {task.expires_at !== null && task.state === 'QUEUED' && (
            <Row name="Expires">
              <Time ms={Date.parse(task.expires_at)} />
            </Row>
          )}
          {task.due_at !== null && (
            <Row name="Next attempt">
              <Time ms={Date.parse(task.due_at)} digits="ms" />
            </Row>
          )}
          {task.key_name !== null && <Row name="Submitted with">{visibleLine(task.key_name)}</Row>}
        </dl>
        {task.errors.map(({ code, message }, i) => (
          <div key={i} class="cm">
            <b class="strong mono">{visibleLine(code)}</b>
            <div>{visibleLine(message)}</div>
          </div>
        ))}
      </SideSection>
      <Webhook task={task} tries={detail?.delivery_tries ?? []} />
      <Runs detail={detail} />
    </>
  );
};

const Row = ({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

const Webhook = ({
  task,
  tries,
}: {
  readonly task: AsyncTaskJson;
  readonly tries: AsyncDetailJson['delivery_tries'];
}): JSX.Element => {
  if (task.webhook_host === null)
    return (
      <SideSection title="Webhook">
        <p class="dim">The request has no webhook.</p>
      </SideSection>
    );
  const isDone = task.webhook_status === 'SUCCEEDED';
  return (
    <SideSection
      title="Webhook"
      side={
        <State shape={isDone ? 'ok' : task.webhook_status === 'PENDING' ? 'running' : 'err'}>
          {isDone ? 'delivered' : task.webhook_status.toLowerCase()}
        </State>
      }
    >
      <div class="mono el">{visibleLine(task.webhook_host)}</div>
      {tries.map((one) => (
        <div key={one.place} class="cm">
          <div class="row between">
            <State shape={one.result === 'ok' ? 'ok' : 'err'}>
              {one.status ?? visibleLine(one.result)} in {text(duration(one.duration_ms))}
            </State>
            <Time ms={Date.parse(one.timestamp)} digits="ms" />
          </div>
          {one.error !== undefined && <span class="mono dim">{visibleLine(one.error)}</span>}
        </div>
      ))}
      {tries.length < task.deliveries && (
        <p class="hint">
          {task.deliveries - tries.length} of {task.deliveries} deliveries are not recorded: that needs{' '}
          <code>trace.enabled</code>.
        </p>
      )}
    </SideSection>
  );
};

const Runs = ({ detail }: { readonly detail: AsyncDetailJson | undefined }): JSX.Element => (
  <SideSection title="Runs">
    {detail !== undefined && detail.runs.length === 0 && <p class="dim">It has not run yet.</p>}
    {detail?.runs.map((run, i) => (
      <RunRow key={run.place} n={i + 1} run={run} />
    ))}
  </SideSection>
);

const RunRow = ({
  n,
  run,
}: {
  readonly n: number;
  readonly run: Pick<SiblingJson, 'status' | 'duration_ms' | 'cause' | 'replica'>;
}): JSX.Element => (
  <div class="runrow">
    <span class="el">
      {n}{' '}
      <State shape={shapeOf(run.status, false)}>
        {run.status} {visibleLine(run.cause === 'ok' ? '' : (run.cause ?? ''))}
      </State>{' '}
      <span class="dim mono">{visibleLine(run.replica ?? '')}</span>
    </span>
    <Num figure={duration(run.duration_ms)} />
  </div>
);

/** The runs and deliveries of a task that the queue does not have any more, from its records. Nothing for other requests. */
export const PastTask = ({
  details: { log, siblings },
  spans,
}: {
  readonly details: RequestJson;
  readonly spans: readonly FlatSpanJson[];
}): JSX.Element | null => {
  const runs = siblings.filter((one) => one.is_async);
  const own =
    log.attributes?.['async'] === true
      ? [{ ...log, status: log.status ?? 0, duration_ms: log.duration_ms ?? 0 }]
      : [];
  const all = [...runs, ...own].sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
  const tries = spans.filter(({ type, request_id: id }) => type === 'delivery' && id === log.request_id);
  if (all.length === 0) return null;
  return (
    <>
      <SideSection title="Runs" side={<span class="dim normal">the queue no longer has the task</span>}>
        {all.map((run, i) => (
          <RunRow key={run.timestamp} n={i + 1} run={run} />
        ))}
      </SideSection>
      {tries.length > 0 && (
        <SideSection title="Webhook">
          {tries.map((one) => (
            <div key={one.span_id} class="cm">
              <div class="row between">
                <State shape={one.is_error ? 'err' : 'ok'}>
                  {one.status ?? 'no answer'} in {text(duration(one.duration_ms))}
                </State>
                <Time ms={msOfNs(one.start_ns)} digits="ms" />
              </div>
              <span class="mono dim">{visibleLine(one.error ?? String(one.facts?.['host'] ?? ''))}</span>
            </div>
          ))}
        </SideSection>
      )}
    </>
  );
};
