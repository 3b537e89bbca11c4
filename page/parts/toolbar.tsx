// The controls of a page that asks the log store: environment, deployment, time.
// Invariant: their state is the address; what has its default is not written.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { moment } from '../formats.ts';
import { me } from '../me.ts';
import { params, setParams, zone } from '../state.ts';
import { Button } from './basics.tsx';
import { Drop, OptionList, type Option } from './floating.tsx';
import { DEFAULT_SINCE, rangeOf, spanMs, SPANS, spanText, type Range } from './time-range.ts';

/** One of the two lists of the scope. */
const ScopeDrop = ({
  name,
  title,
  options,
}: {
  readonly name: 'env' | 'dep';
  readonly title: string;
  readonly options: readonly Option[];
}): JSX.Element => {
  const value = params.value[name] ?? '';
  return (
    <Drop
      label={`${title}: ${value === '' ? 'all' : value}`}
      shown={
        <>
          <span class="k">{name}</span> <span class="el">{value === '' ? 'all' : value}</span>
        </>
      }
    >
      {(close) => (
        <OptionList
          label={title}
          value={value}
          options={[{ value: '', shown: 'all' }, ...options]}
          onChoose={(chosen) => {
            setParams({ [name]: chosen });
            close();
          }}
        />
      )}
    </Drop>
  );
};

/** Environment and deployment. */
export const Scope = (): JSX.Element => {
  const deployments = me.value?.deployments ?? [];
  const environments = [...new Set(deployments.map(({ environment }) => environment))].filter(
    (one) => one !== '',
  );
  return (
    <>
      <ScopeDrop name="env" title="Environment" options={environments.map((value) => ({ value }))} />
      <ScopeDrop
        name="dep"
        title="Deployment"
        options={deployments.map(({ id, environment }) => ({ value: id, note: environment }))}
      />
    </>
  );
};

/** Goes to a range. `fallback`: the one that the page has without parameters, which is not written. */
export function setRange(
  range: { readonly fromMs: number; readonly toMs: number } | { readonly since: string },
  fallback = DEFAULT_SINCE,
): void {
  if ('since' in range)
    setParams({
      since: range.since === fallback ? undefined : range.since,
      start: undefined,
      end: undefined,
    });
  else
    setParams({
      since: undefined,
      start: new Date(range.fromMs).toISOString(),
      end: new Date(range.toMs).toISOString(),
    });
}

/** Halves (0.5) or doubles (2) the range around its middle; one that moves with the clock keeps its end. */
export function scaleRange(range: Range, by: number): void {
  const { fromMs, toMs, since } = range;
  if (since !== undefined) return setRange({ since: spanText(spanMs(since)! * by) });
  const middle = (fromMs + toMs) / 2;
  const half = ((toMs - fromMs) / 2) * by;
  return setRange({ fromMs: middle - half, toMs: Math.min(middle + half, Date.now()) });
}

/** Text of a field for a time: local or UTC, without the zone. */
const fieldText = (ms: number): string =>
  (zone.value === 'UTC' ? new Date(ms) : new Date(ms - new Date(ms).getTimezoneOffset() * 60_000))
    .toISOString()
    .slice(0, 19);

const fieldMs = (text: string): number => Date.parse(zone.value === 'UTC' ? `${text}Z` : text);

export const RangeDrop = ({ fallback = DEFAULT_SINCE }: { readonly fallback?: string }): JSX.Element => {
  const range = rangeOf(params.value, Date.now(), fallback);
  const preset = SPANS.find(([span]) => span === range.since);
  const now = Date.now();
  const shown =
    range.since === undefined
      ? `${moment(range.fromMs, zone.value, now)} to ${moment(range.toMs, zone.value, now)}`
      : (preset?.[1] ?? `Last ${range.since}`);
  return (
    <Drop label="Time" icon="clock" shown={<span class="el">{shown}</span>} isRight>
      {(close) => <RangePicker range={range} fallback={fallback} onDone={close} />}
    </Drop>
  );
};

const RangePicker = ({
  range,
  fallback,
  onDone,
}: {
  readonly range: Range;
  readonly fallback: string;
  readonly onDone: () => void;
}): JSX.Element => {
  const [from, setFrom] = useState(fieldText(range.fromMs));
  const [to, setTo] = useState(fieldText(range.toMs));
  const problem =
    Number.isNaN(fieldMs(from)) || Number.isNaN(fieldMs(to))
      ? 'Enter both times.'
      : fieldMs(from) < fieldMs(to)
        ? undefined
        : 'The end must be after the start.';
  return (
    <div class="range">
      <OptionList
        label="Time"
        value={range.since}
        options={SPANS.map(([value, shown]) => ({ value, shown }))}
        onChoose={(since) => {
          setRange({ since }, fallback);
          onDone();
        }}
      />
      <form
        class="pb"
        onSubmit={(event) => {
          event.preventDefault();
          if (problem !== undefined) return;
          setRange({ fromMs: fieldMs(from), toMs: fieldMs(to) });
          onDone();
        }}
      >
        <label>
          From ({zone.value === 'UTC' ? 'UTC' : 'local time'})
          <input
            class="inp"
            type="datetime-local"
            step="1"
            value={from}
            onInput={(event) => setFrom(event.currentTarget.value)}
          />
        </label>
        <label>
          To
          <input
            class="inp"
            type="datetime-local"
            step="1"
            value={to}
            onInput={(event) => setTo(event.currentTarget.value)}
          />
        </label>
        {problem !== undefined && <p class="hint err">{problem}</p>}
        <Button type="submit" kind="primary">
          Apply
        </Button>
      </form>
    </div>
  );
};
