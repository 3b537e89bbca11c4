// The charts of what was added to requests: scores and feedback. They are asked on their own, since they take longer.
// Invariant: one question for all scores, one for the feedback.
import type { JSX } from 'preact';
import type { SeriesJson } from '../../../src/control/admin/answers/series-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Failed, Loading, Panel } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { params } from '../../state.ts';
import { ChartCard } from './chart-card.tsx';
import { seriesQuestion } from './monitor-question.ts';
import { feedbackChart, scoreChart } from './series-view.ts';
import type { RecentNames } from './use-names.ts';

const MOST_SCORES = 6;
/** Scores and feedback are asked again less often. */
const SLOWER = 4;

export const Annotated = ({
  names,
  nowMs,
  everyMs,
  onZoom,
  onZoomOut,
}: {
  readonly names: RecentNames;
  readonly nowMs: number;
  readonly everyMs: number;
  readonly onZoom: (fromMs: number, toMs: number) => void;
  readonly onZoomOut: () => void;
}): JSX.Element => {
  const its = params.value;
  const shown = names.scores.slice(0, MOST_SCORES);
  const field = names.feedback[0] === undefined ? undefined : `annotations.feedback.${names.feedback[0]}`;
  const scores = useAnswer<SeriesJson>(
    shown.length === 0
      ? undefined
      : seriesQuestion(its, nowMs, { measures: ['requests', ...shown.map((name) => `score:${name}`)] }),
    { everyMs: everyMs * SLOWER },
  );
  const feedback = useAnswer<SeriesJson>(
    // After the scores, for the same reason.
    field === undefined ||
      (shown.length > 0 && scores.asked.value.answeredMs === 0 && scores.asked.value.error === undefined)
      ? undefined
      : seriesQuestion(its, nowMs, {
          measures: ['requests'],
          by: field,
          where: `${field}:*`,
          isAlone: true,
        }),
    { everyMs: everyMs * SLOWER },
  );
  const scored = scores.asked.value;
  const rated = feedback.asked.value;
  return (
    <>
      {names.isKnown && shown.length === 0 && (
        <div class="cell">
          <Panel class="card" title="Scores">
            <p class="nothing">
              No recent request has a score.{' '}
              <a href={addressOf({ page: 'settings', section: 'scoring', id: undefined })}>
                Score requests online
              </a>
            </p>
          </Panel>
        </div>
      )}
      {(names.isKnown ? shown : ['…']).map((name) => (
        <div class="cell" key={name}>
          <Loading of={scores} words="Measuring the scores" />
          <ChartCard
            title={names.isKnown ? `Score: ${name}` : 'Scores'}
            facts={
              scored.value?.measures[`score:${name}`] === undefined
                ? undefined
                : scoreChart(scored.value, name)
            }
            onZoom={onZoom}
            onZoomOut={onZoomOut}
            instead={
              scored.error === undefined ? undefined : <Failed error={scored.error} onAgain={scores.again} />
            }
          />
        </div>
      ))}
      <div class="cell">
        <Loading of={feedback} words="Counting the feedback" />
        <ChartCard
          title="Feedback"
          facts={
            rated.value === undefined || field === undefined ? undefined : feedbackChart(rated.value, field)
          }
          onZoom={onZoom}
          onZoomOut={onZoomOut}
          instead={
            rated.error !== undefined ? (
              <Failed error={rated.error} onAgain={feedback.again} />
            ) : names.isKnown && field === undefined ? (
              <p class="nothing">No recent request has feedback.</p>
            ) : undefined
          }
        />
      </div>
    </>
  );
};
