// The groups with the most of a measure, by any field.
// Invariant: a row leads to its requests in Logs; groups without a value are left out, not shown as 0.
import type { JSX } from 'preact';
import type { SeriesJson } from '../../../src/control/admin/answers/series-answers.ts';
import { count, grouped, text } from '../../formats.ts';
import type { Live } from '../../api/use-answer.ts';
import { Drop, OptionList } from '../../parts/floating.tsx';
import { Answered, Panel } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { params, setParams } from '../../state.ts';
import { FieldDrop } from './by-drop.tsx';
import { allOf, condition, MOST, mostOf, type Most } from './monitor-question.ts';
import { groupText, moneyText } from './series-view.ts';

const SHOWN: Readonly<Record<Most, string>> = {
  output_tokens: 'output tokens',
  requests: 'requests',
  cost: 'cost',
  errors: 'errors',
};
const ROWS = 6;

export const TopList = ({
  live,
  by,
  metadata,
}: {
  readonly live: Live<SeriesJson>;
  readonly by: string;
  readonly metadata: readonly string[];
}): JSX.Element => {
  const most = mostOf(params.value);
  return (
    <Panel
      class="card"
      title={`Most ${SHOWN[most]}`}
      sub="by"
      side={
        <>
          <FieldDrop
            label="Field of the list"
            name="top"
            value={by}
            metadata={metadata}
            hasNone={false}
            class="sel sm"
          />
          <Drop label={`Measure: ${SHOWN[most]}`} icon="more" class="ib sm" isRight>
            {(close) => (
              <OptionList
                label="Measure"
                value={most}
                options={MOST.map((value) => ({ value, shown: SHOWN[value] }))}
                onChoose={(value) => {
                  setParams({ most: value === 'output_tokens' ? undefined : value });
                  close();
                }}
              />
            )}
          </Drop>
        </>
      }
    >
      <Answered live={live} words="Reading the groups">
        {(answer) => <Rows answer={answer} by={by} />}
      </Answered>
    </Panel>
  );
};

const Rows = ({ answer, by }: { readonly answer: SeriesJson; readonly by: string }): JSX.Element => {
  const most = mostOf(params.value);
  const measure = answer.measures[most] ?? answer.measures['requests']!;
  const format = most === 'cost' ? moneyText(measure.unit) : (value: number): string => text(count(value));
  const rows = measure.groups
    .flatMap(({ name, value }) => (value === null || value === 0 ? [] : [{ name, value }]))
    .sort((a, b) => b.value - a.value);
  const shown = rows.slice(0, ROWS);
  const rest = rows.length - shown.length + (measure.others?.groups ?? 0);
  const largest = shown[0]?.value ?? 1;
  if (shown.length === 0) return <p class="nothing">Nothing was measured in this time.</p>;
  const { q = '', env, dep, since, start, end } = params.value;
  const scope = Object.fromEntries(
    Object.entries({
      env,
      dep,
      since: since ?? (start === undefined ? '24h' : undefined),
      start,
      end,
    }).filter((one): one is [string, string] => one[1] !== undefined),
  );
  return (
    <>
      <ul class="tops">
        {shown.map(({ name, value }) => (
          <li key={String(name)}>
            <a
              class="mono el"
              title={groupText(name)}
              href={addressOf(
                { page: 'logs' },
                { q: allOf(q, condition(by, name)), kind: 'request', ...scope },
              )}
            >
              {groupText(name)}
            </a>
            <span class="m" aria-hidden="true">
              <i style={{ width: `${(value / largest) * 100}%` }} />
            </span>
            <span class="r num">{format(value)}</span>
          </li>
        ))}
      </ul>
      {rest > 0 && (
        <p class="rest">
          {grouped(rest)} {rest === 1 ? 'other' : 'others'}
          {(measure.others?.groups ?? 0) > 0 && '; the list is of the 50 with the most requests'}
        </p>
      )}
    </>
  );
};
