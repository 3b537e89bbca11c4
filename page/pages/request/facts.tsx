// The facts of a request in one line: what happened, when, how long, at what cost.
// Invariant: amber is what waited too long; what is not known is a dash.
import type { ComponentChildren, JSX } from 'preact';
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import { catalogue } from '../../../src/core/errors.ts';
import { count, duration, money, msOfNs, text, visibleLine } from '../../formats.ts';
import { Num, State, Time } from '../../parts/basics.tsx';
import type { ShapeName } from '../../parts/icons.tsx';
import { zone } from '../../state.ts';

const Fact = ({
  name,
  children,
  tone = '',
}: {
  readonly name: string;
  readonly children: ComponentChildren;
  readonly tone?: string;
}): JSX.Element => (
  <div class="fact">
    <dt class="k">{name}</dt>
    <dd class={`v ${tone}`}>{children}</dd>
  </div>
);

/** The shape of a status: 499 is the client's, and 0 is the success of gRPC. */
export const shapeOf = (status: number | undefined, isError: boolean): ShapeName =>
  status === undefined ? 'idle' : isError || status >= 500 ? 'err' : status >= 400 ? 'warn' : 'ok';

/** Who ended a request, from its cause. */
function endedBy(cause: string): string {
  if (cause === '' || cause === 'ok') return 'replica';
  const { origin } = catalogue[cause as keyof typeof catalogue] ?? {};
  return origin ?? 'unknown';
}

/** A wait is too long if it is more than this part of the whole, and longer than this. */
const LONG_PART = 0.1;
const LONG_MS = 100;

const isLong = (waitMs: number | undefined, wholeMs: number): boolean =>
  waitMs !== undefined && waitMs > LONG_MS && waitMs > LONG_PART * wholeMs;

const numberAt = (attributes: Readonly<Record<string, unknown>>, name: string): number | undefined =>
  typeof attributes[name] === 'number' ? attributes[name] : undefined;

export const Facts = ({ details }: { readonly details: RequestJson }): JSX.Element => {
  const { log, usage } = details;
  const attributes = log.attributes ?? {};
  const queued = numberAt(attributes, 'queue_ms');
  const whole = log.duration_ms ?? 0;
  const cause = typeof attributes['cause'] === 'string' ? attributes['cause'] : '';
  const attempts = numberAt(attributes, 'attempts');
  const first = usage?.first_token_ms ?? undefined;
  const isError = /^(?:ERROR|FATAL)/.test(log.level ?? '');
  const began = zone.value === 'UTC' ? 'Began, UTC' : 'Began';
  if (details.task !== null) return <TaskFacts details={details} task={details.task} />;
  return (
    <dl class="facts" tabIndex={0} aria-label="Facts">
      <Fact name="Status">
        <State shape={shapeOf(log.status, isError)}>{log.status ?? '–'}</State>
      </Fact>
      <Fact name={began} tone="mono">
        <Time ms={msOfNs(log.timestamp_ns)} digits="ms" />
      </Fact>
      <Fact name="Duration">
        <Num figure={duration(log.duration_ms)} />
      </Fact>
      <Fact name="Queued" tone={isLong(queued, whole) ? 'warn' : ''}>
        <Num figure={duration(queued)} />
      </Fact>
      {first === undefined ? (
        <Fact name="First byte">
          <Num figure={duration(numberAt(attributes, 'first_byte_ms'))} />
        </Fact>
      ) : (
        <Fact name="First token">
          <Num figure={duration(first)} />
        </Fact>
      )}
      {usage !== null && (
        <>
          <Fact name="Tokens in, out">
            <Num figure={count(usage.input_tokens)} /> <span class="dim">·</span>{' '}
            <Num figure={count(usage.output_tokens)} />
          </Fact>
          <Fact name="Cost">{costText(usage.cost, usage.currency)}</Fact>
        </>
      )}
      <Fact name="Replica" tone="mono">
        {log.replica === undefined ? '–' : visibleLine(log.replica)}
      </Fact>
      <Fact name="Attempts">
        <Num figure={count(attempts)} />
      </Fact>
      <Fact name="Ended by">
        {endedBy(cause)}{' '}
        <span class="dim normal">
          {cause === 'ok' || cause === '' ? (usage?.finish_reason ?? '') : cause}
        </span>
      </Fact>
    </dl>
  );
};

/** A price in the currency of the settings. */
export const costText = (cost: number | null, currency: string | null): string =>
  cost === null
    ? 'unknown'
    : currency === null || currency === 'USD'
      ? money(cost)
      : `${money(cost).replace('$ ', '')} ${currency}`;

const TASK_SHAPES: Readonly<Record<string, ShapeName>> = {
  SUCCEEDED: 'ok',
  IN_PROGRESS: 'running',
  QUEUED: 'idle',
  CANCELED: 'idle',
};

/** The state of a task with its shape. */
export const TaskState = ({ state }: { readonly state: string }): JSX.Element => (
  <State shape={TASK_SHAPES[state] ?? 'err'}>{state.toLowerCase().replaceAll('_', ' ')}</State>
);

const TaskFacts = ({
  details,
  task,
}: {
  readonly details: RequestJson;
  readonly task: NonNullable<RequestJson['task']>;
}): JSX.Element => {
  const runs = [details.log, ...details.siblings].filter((one) =>
    'is_async' in one ? one.is_async : one.attributes?.['async'] === true,
  );
  const ran = runs.reduce((sum, { duration_ms: ms = 0 }) => sum + ms, 0);
  const submitted = Date.parse(task.created_at);
  const firstRun = Math.min(...runs.map(({ timestamp }) => Date.parse(timestamp)));
  const waited = Number.isFinite(firstRun) ? firstRun - submitted : Date.now() - submitted;
  const isEnded = task.phase === 'done';
  return (
    <dl class="facts" tabIndex={0} aria-label="Facts">
      <Fact name="Task">
        <TaskState state={task.state} />
      </Fact>
      <Fact name={zone.value === 'UTC' ? 'Submitted, UTC' : 'Submitted'} tone="mono">
        <Time ms={submitted} digits="ms" />
      </Fact>
      <Fact name={isEnded ? 'From submit to end' : 'Since the submit'}>
        <Num figure={duration((isEnded ? Date.parse(task.state_at) : Date.now()) - submitted)} />
      </Fact>
      <Fact name="Queued" tone={isLong(waited, Date.now() - submitted) ? 'warn' : ''}>
        <Num figure={duration(waited)} />
      </Fact>
      <Fact name="Ran">
        <Num figure={duration(runs.length === 0 ? undefined : ran)} />
      </Fact>
      <Fact name="Runs">
        {task.attempts} <span class="dim normal">of at most {task.max_attempts}</span>
      </Fact>
      <Fact name="Deliveries">{text(count(task.deliveries))}</Fact>
      <Fact name="Replica" tone="mono">
        {visibleLine([...new Set(runs.flatMap(({ replica }) => replica ?? []))].join(', ')) || '–'}
      </Fact>
    </dl>
  );
};
