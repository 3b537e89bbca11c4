// Overview: is it well, since when not, which replica, and where the figures stand. One screen, asked every 5 s.
// Invariant: the figures of the screen are those of one answer, so they agree with each other.
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { useKeys } from '../../keys.ts';
import { Answered } from '../../parts/panel.tsx';
import { announce, status } from '../../state.ts';
import { Causes } from './causes.tsx';
import { Figures } from './figures.tsx';
import { FirstRun } from './first-run.tsx';
import { Exporters, Queue } from './queue.tsx';
import { Replicas } from './replicas.tsx';
import { Scaling } from './scaling.tsx';
import { Traffic } from './traffic.tsx';
import { useFirstRun } from './use-first-run.ts';
import { Verdict } from './verdict.tsx';
import './overview.css';

const EVERY_MS = 5000;

const SPOKEN = { ok: 'All is well', degraded: 'Degraded', down: 'Down' } as const;

export default function Overview(): JSX.Element {
  const live = useAnswer<OverviewJson>({ path: '/v1/overview' }, { everyMs: EVERY_MS });
  const level = live.asked.value.value?.verdict.level;
  useKeys('everywhere', { again: live.again });
  useEffect(() => {
    status.value = 'figures every 5 s';
    return () => void (status.value = '');
  }, []);
  useEffect(() => {
    if (level !== undefined) announce(SPOKEN[level]);
  }, [level]);
  return (
    <div class="ov">
      <Answered live={live} words="Reading the figures…" everyMs={EVERY_MS}>
        {(overview) => <Screen overview={overview} onChange={live.again} />}
      </Answered>
    </div>
  );
}

const Screen = ({
  overview,
  onChange,
}: {
  readonly overview: OverviewJson;
  readonly onChange: () => void;
}): JSX.Element => {
  const run = useFirstRun(overview);
  if (run === 'unknown') return <div class="loading" />;
  // A screen of its own, so that nothing moves when the first request has come.
  if (run !== 'no')
    return (
      <div key="first" class="grid one">
        <Verdict overview={overview} />
        <FirstRun overview={overview} url={run.url} model={run.model} />
        <Replicas overview={overview} onDone={onChange} />
      </div>
    );
  return (
    <div key="all" class="grid">
      <Verdict overview={overview} />
      <Figures overview={overview} />
      <div class="lcol">
        <Replicas overview={overview} onDone={onChange} />
        <Traffic overview={overview} />
      </div>
      <Scaling overview={overview} />
      <div class="full bot">
        <Causes overview={overview} />
        <Queue overview={overview} />
        <Exporters overview={overview} />
      </div>
    </div>
  );
};
