// The test of a scoring rule on past records.
// Invariant: a test stores nothing, and says so.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ask } from '../../api/client.ts';
import { grouped, visibleLine } from '../../formats.ts';
import { Button, State, Time } from '../../parts/basics.tsx';
import { addressOf } from '../../routes.ts';
import { RULES, type TestAnswer, type TestedRecord } from './scoring-rule.ts';

const SHOWN_RESULTS = 8;

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, one) => sum + one, 0) / values.length;

/** Scores past records with the rule as it is in the form; nothing is stored. */
export const RuleTest = ({
  body,
  off,
}: {
  readonly body: () => object;
  /** Why the rule of the form cannot be tested. */
  readonly off: string | undefined;
}): JSX.Element => {
  const [result, setResult] = useState<TestAnswer | string>();
  const [isRunning, setRunning] = useState(false);
  const run = async (): Promise<void> => {
    setRunning(true);
    const answer = await ask<TestAnswer>('POST', `${RULES}/test`, { body: body() });
    setRunning(false);
    setResult(answer.ok ? answer.value : answer.error.message);
  };
  const records = typeof result === 'object' ? result.records : [];
  const scores = records.flatMap(({ scores: of }) => Object.values(of).filter((one) => one !== null));
  return (
    <>
      <div class="formfoot">
        <span class="strong">Test</span>
        <span class="dim">on up to 50 of the newest; nothing is stored</span>
        <span class="grow" />
        <Button
          isSmall
          icon="play"
          off={off ?? (isRunning ? 'It is being tested.' : undefined)}
          onClick={() => void run()}
        >
          {isRunning ? 'Testing…' : 'Test'}
        </Button>
      </div>
      <div role="status">
        {scores.length > 0 && (
          <p class="hint pb num">
            mean {meanOf(scores).toFixed(2)} of {scores.length} scores
          </p>
        )}
        {typeof result === 'string' && <p class="hint err pb">{result}</p>}
        {typeof result === 'object' && records.length === 0 && (
          <p class="hint pb">
            Nothing matched{result.is_complete ? '' : ' in the time of a test'}: {grouped(result.examined)}{' '}
            records were examined.
          </p>
        )}
        {records.slice(0, SHOWN_RESULTS).map((record) => (
          <Tested key={record.id} record={record} />
        ))}
        {records.length > SHOWN_RESULTS && <p class="hint pb">{records.length - SHOWN_RESULTS} more</p>}
      </div>
    </>
  );
};

const Tested = ({ record }: { readonly record: TestedRecord }): JSX.Element => {
  const entries = Object.entries(record.scores);
  const values = entries.flatMap(([, score]) => (score === null ? [] : [score]));
  const error = record.results.find((one) => one.error !== undefined)?.error;
  const lowest = values.length === 0 ? undefined : Math.min(...values);
  return (
    <div class="tested">
      <State
        shape={error !== undefined ? 'err' : lowest === undefined ? 'idle' : lowest < 0.5 ? 'err' : 'ok'}
      >
        {lowest === undefined ? 'none' : lowest.toFixed(2)}
      </State>
      <Time ms={Date.parse(record.created)} />
      <span class="el mid grow">
        {error !== undefined
          ? visibleLine(error)
          : entries
              .map(([name, score]) => `${visibleLine(name)} ${score === null ? 'none' : score.toFixed(2)}`)
              .join(', ')}
      </span>
      <a class="mono" href={addressOf({ page: 'trace', id: record.root_span_id })}>
        …{record.id.slice(-8)}
      </a>
    </div>
  );
};
