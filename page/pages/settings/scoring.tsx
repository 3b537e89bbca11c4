// Settings, Online scoring: rules that score spans and requests when they end.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { count, duration, share, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Num, State, Switch } from '../../parts/basics.tsx';
import { toast } from '../../parts/floating.tsx';
import { change, NewButton, SectionHead } from '../../parts/form.tsx';
import { Answered } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { go, route } from '../../state.ts';
import { RuleForm } from './rule-form.tsx';
import { rulePath, RULES, type Rule, type StoredScorer } from './scoring-rule.ts';
import { useProjects } from './tag-json.ts';

const EVERY_MS = 5000;

const addressOfRule = (id: string | undefined): string =>
  addressOf({ page: 'settings', section: 'scoring', id });

export const Scoring = (): JSX.Element => {
  const live = useAnswer<{ readonly objects: readonly Rule[] }>(
    { path: RULES, query: { limit: 1000 } },
    { everyMs: EVERY_MS },
  );
  const scorers = useAnswer<{ readonly objects: readonly StoredScorer[] }>({
    path: '/v1/function',
    query: { limit: 1000 },
  }).asked.value.value?.objects;
  const { projects } = useProjects();
  const [isNew, setNew] = useState(false);
  const here = route.value;
  const id = here.page === 'settings' ? here.id : undefined;
  const off = missing('logs:write');
  const add = (): void => {
    go(addressOfRule(undefined));
    setNew(true);
  };
  useKeys('lists', { new: () => (off === undefined ? add() : false) });
  return (
    <>
      <SectionHead
        title="Online scoring"
        side={
          <NewButton off={off} onClick={add}>
            Rule
          </NewButton>
        }
      >
        A rule scores requests and spans a moment after they were stored; they do not wait for it. A score is
        in the scored record, and the cost of a judge is not counted with that of the request.
      </SectionHead>
      <Answered live={live} words="Reading the rules…" everyMs={EVERY_MS}>
        {({ objects }) => {
          const chosen = objects.find((one) => one.id === id);
          return (
            <div class={chosen || isNew ? 'two wide' : 'one'}>
              <section class="panel">
                {objects.length === 0 ? (
                  <div class="empty">No rule yet. Test one on past requests before it is saved.</div>
                ) : (
                  <RuleTable
                    rules={objects}
                    scorers={scorers ?? []}
                    chosen={isNew ? undefined : chosen?.id}
                    onChoose={() => setNew(false)}
                    onChanged={live.again}
                    off={off}
                  />
                )}
                {id !== undefined && chosen === undefined && (
                  <div class="formfoot err wrap">
                    There is no rule {visibleLine(id)}: it may have been removed.
                  </div>
                )}
              </section>
              {(chosen || isNew) && (
                <RuleForm
                  key={isNew ? 'new' : chosen!.id}
                  of={isNew ? undefined : chosen}
                  rules={objects}
                  scorers={scorers ?? []}
                  projects={projects}
                  onChanged={(changed) => {
                    setNew(false);
                    live.again();
                    go(addressOfRule(changed), true);
                  }}
                  onClose={() => {
                    setNew(false);
                    go(addressOfRule(undefined));
                  }}
                />
              )}
            </div>
          );
        }}
      </Answered>
    </>
  );
};

const RuleTable = ({
  rules,
  scorers,
  chosen,
  onChoose,
  onChanged,
  off,
}: {
  readonly rules: readonly Rule[];
  readonly scorers: readonly StoredScorer[];
  readonly chosen: string | undefined;
  readonly onChoose: () => void;
  readonly onChanged: () => void;
  readonly off: string | undefined;
}): JSX.Element => (
  <table class="cards tall">
    <thead>
      <tr>
        <th>Rule</th>
        <th class="n">Sampling rate</th>
        <th class="n" title="Since weir was started">
          Scored
        </th>
        <th class="n">Failed</th>
        <th>State</th>
        <th>
          <span class="vh">On</span>
        </th>
      </tr>
    </thead>
    <tbody>
      {rules.map((rule) => {
        const { online } = rule.config;
        const names = online.scorers.map(
          (one) => one.name ?? scorers.find(({ id }) => id === one.id)?.name ?? one.id,
        );
        return (
          <tr key={rule.id} class={rule.id === chosen ? 'cur' : ''}>
            <td>
              <a
                class="strong el"
                href={addressOfRule(rule.id)}
                aria-current={rule.id === chosen ? 'true' : undefined}
                onClick={onChoose}
              >
                {visibleLine(rule.name)}
              </a>
              <div class="s2 el">
                {visibleLine(names.join(', '))} · {online.source === 'requests' ? 'requests' : 'spans'}
              </div>
            </td>
            <td class="n" data-label="Sampling rate">
              {text(share(online.sampling_rate))}
            </td>
            <td class="n" data-label="Scored">
              <Num figure={count(rule.status?.scored)} />
            </td>
            <td class={`n ${(rule.status?.failed ?? 0) > 0 ? 'err' : ''}`} data-label="Failed">
              <Num figure={count(rule.status?.failed)} />
            </td>
            <td data-label="State">
              <div>
                <RuleStateText rule={rule} />
              </div>
            </td>
            <td class="r" data-label="On">
              <Switch
                isOn={online.sampling_rate > 0}
                label={`Score by ${rule.name}`}
                off={off}
                onChange={(isOn) => switchRule(rule, isOn, onChanged)}
              />
            </td>
          </tr>
        );
      })}
    </tbody>
  </table>
);

/** Sampling rates of the rules that were switched off here, by their ids. */
const ratesBefore = new Map<string, number>();

/**
 * A rule is off when its rate is 0. One that was switched off here gets its rate again; of others it is not known, so their
 * form is opened: a judge for all requests could cost a lot.
 */
function switchRule({ id, name, config: { online } }: Rule, isOn: boolean, onChanged: () => void): void {
  const rate = isOn ? ratesBefore.get(id) : 0;
  if (rate === undefined) {
    toast(`Enter the sampling rate of ${visibleLine(name)}, and save it.`);
    return go(addressOfRule(id));
  }
  if (!isOn) ratesBefore.set(id, online.sampling_rate);
  void change('PATCH', rulePath(id), { config: { online: { sampling_rate: rate } } }).then(onChanged);
}

const RuleStateText = ({ rule: { status } }: { readonly rule: Rule }): JSX.Element => {
  if (status === undefined) return <span class="dim">–</span>;
  const { state, reason, behind_records: behind, behind_seconds: seconds } = status;
  return (
    <>
      <State shape={state === 'running' ? 'ok' : state === 'off' ? 'idle' : 'paused'}>{state}</State>
      <div class="s2 el" title={(reason !== null && visibleLine(reason)) || undefined}>
        {(reason !== null && visibleLine(reason)) ||
          (behind > 1000 || seconds > 60
            ? `${text(count(behind))} records, ${text(duration(seconds * 1000))} behind`
            : '')}
      </div>
    </>
  );
};
