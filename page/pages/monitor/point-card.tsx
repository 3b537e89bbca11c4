// The card of a point: the value of each group in one step, and the way to its requests in Logs.
// Invariant: the number that a link names is the number of requests that its address asks for.
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { grouped, moment } from '../../formats.ts';
import { params, zone } from '../../state.ts';
import { logsAddress } from './monitor-question.ts';
import type { ChartFacts, ChartLine } from './series-view.ts';

export const PointCard = ({
  facts,
  index,
  onClose,
}: {
  readonly facts: ChartFacts;
  readonly index: number;
  readonly onClose: () => void;
}): JSX.Element => {
  const card = useRef<HTMLDivElement>(null);
  const { times, stepMs, lines } = facts;
  const fromMs = times[index]!;
  const now = Date.now();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    card.current?.querySelector<HTMLElement>('a.all')?.focus();
    const outside = (event: PointerEvent): void => {
      if (!card.current?.contains(event.target as Node)) onClose();
    };
    addEventListener('pointerdown', outside);
    return () => {
      removeEventListener('pointerdown', outside);
      before?.focus();
    };
  }, [index]);
  const isLate = index > times.length / 2;
  const part = (index + 0.5) / times.length;
  const own = lines.filter(({ isDashed }) => isDashed !== true);
  const all = own.every(({ counts }) => counts !== undefined)
    ? own.reduce((sum, { counts }) => sum + (counts![index] ?? 0), 0)
    : undefined;
  const isOfCauses = facts.id === 'errors';
  return (
    <div
      ref={card}
      class="pop point"
      role="dialog"
      aria-label={`${facts.title} from ${moment(fromMs, zone.value, now, 'minutes')}`}
      style={isLate ? { right: `${(1 - part) * 86 + 4}%` } : { left: `${part * 86 + 14}%` }}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onClose();
      }}
    >
      <p class="t">
        <span class="num">
          {moment(fromMs, zone.value, now, 'minutes')} to{' '}
          {moment(fromMs + stepMs, zone.value, now, 'minutes')}
        </span>
      </p>
      <ul>
        {lines.map((line) => (
          <li key={line.name}>
            <PointLine line={line} index={index} facts={facts} fromMs={fromMs} />
          </li>
        ))}
      </ul>
      {all !== undefined && all > 0 && (
        <a
          class="all"
          href={logsAddress(
            params.value,
            fromMs,
            stepMs,
            isOfCauses ? 'level>=error' : facts.id === 'feedback' ? feedbackCondition(own) : '',
          )}
        >
          <span>
            {grouped(all)} {all === 1 ? 'request' : 'requests'} in Logs
          </span>
          <kbd>Enter</kbd>
        </a>
      )}
    </div>
  );
};

/** All requests that have the feedback of the lines: each condition names the same field. */
const feedbackCondition = ([first]: readonly ChartLine[]): string =>
  first?.where === undefined ? '' : `${first.where.slice(0, first.where.indexOf(':'))}:*`;

const PointLine = ({
  line: { name, points, counts, color, where, isDashed },
  index,
  facts,
  fromMs,
}: {
  readonly line: ChartLine;
  readonly index: number;
  readonly facts: ChartFacts;
  readonly fromMs: number;
}): JSX.Element => {
  const value = points[index];
  const number = counts?.[index];
  const content = (
    <>
      <i class={isDashed === true ? 'dashed' : ''} style={{ color: `var(--${color})` }} />
      <span class="el">{isDashed === true ? 'all, earlier period' : name}</span>
      <b class="num">{value === null || value === undefined ? '–' : facts.format(value)}</b>
      <span class="num dim">
        {number === null || number === undefined || counts === points ? '' : grouped(number)}
      </span>
    </>
  );
  return where !== undefined && number !== null && number !== undefined && number > 0 ? (
    <a
      class="l"
      href={logsAddress(params.value, fromMs, facts.stepMs, where)}
      title={`${grouped(number)} requests of ${name} in Logs`}
    >
      {content}
    </a>
  ) : (
    <span class="l">{content}</span>
  );
};
