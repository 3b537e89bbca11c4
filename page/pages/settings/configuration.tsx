// Settings, Configuration: every setting with its value, its origin and what it does. Nothing is changed here.
import { Fragment, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { SettingAnswer, SettingList } from '../../../src/control/admin/answers/settings-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { visibleLine } from '../../formats.ts';
import { Copy, Segments } from '../../parts/basics.tsx';
import { Answered } from '../../parts/panel.tsx';
import { params, setParams } from '../../state.ts';
import { SectionHead } from '../../parts/form.tsx';
import { yamlOf } from './yaml-text.ts';

/** `pool.probe_interval` → `pool`; `deployments[0].id` → `deployments[0]`. */
const groupOf = (key: string): string => key.split('.', 1)[0]!;

/** The settings of a group one after the other, the groups as they come first. */
const grouped = (settings: readonly SettingAnswer[]): SettingAnswer[] =>
  [...Map.groupBy(settings, ({ key }) => groupOf(key)).values()].flat();

export const Configuration = (): JSX.Element => {
  const live = useAnswer<SettingList>({ path: '/v1/settings', query: { with: 'docs' } });
  const [shown, setShown] = useState<'all' | 'changed'>('all');
  const find = params.value['find'] ?? '';
  const all = grouped(live.asked.value.value?.settings ?? []);
  const changed = all.filter(({ is_default: isDefault }) => isDefault === false);
  const fits = ({ key, value, origin, does = '' }: SettingAnswer): boolean =>
    `${key} ${value} ${origin} ${does}`.toLowerCase().includes(find.toLowerCase());
  const rows = (shown === 'all' ? all : changed).filter(fits);
  return (
    <>
      <SectionHead
        title="Configuration"
        side={
          <div class="row find">
            <input
              class="inp"
              type="search"
              aria-label="Find a setting"
              placeholder="Name, value or source"
              value={find}
              onInput={(event) => setParams({ find: event.currentTarget.value }, true)}
            />
            <Segments
              label="Which settings"
              value={shown}
              options={[
                ['all', `All ${all.length}`],
                ['changed', `Changed ${changed.length}`],
              ]}
              onChoose={setShown}
            />
            <Copy kind="plain" label="Copy the changed settings as YAML" text={() => yamlOf(changed)}>
              As YAML
            </Copy>
          </div>
        }
      >
        What this weir runs with, and where each value comes from: a flag wins over a variable, a variable
        over the file, the file over the default. Change a value there, not here.
      </SectionHead>
      <div class="one">
        <section class="panel">
          <Answered live={live} words="Reading the settings…">
            {() => <SettingTable rows={rows} find={find} />}
          </Answered>
        </section>
      </div>
    </>
  );
};

const SettingTable = ({
  rows,
  find,
}: {
  readonly rows: readonly SettingAnswer[];
  readonly find: string;
}): JSX.Element => {
  if (rows.length === 0)
    return (
      <div class="empty">
        {find === ''
          ? 'All settings have their default.'
          : `No setting contains “${visibleLine(find).slice(0, 200)}”.`}
      </div>
    );
  return (
    <table class="cards cf">
      <thead>
        <tr>
          <th>Setting</th>
          <th>Value</th>
          <th>Comes from</th>
          <th>What it does</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <Fragment key={row.key}>
            {(i === 0 || groupOf(rows[i - 1]!.key) !== groupOf(row.key)) && (
              <tr class="grp">
                <td colSpan={4}>{groupOf(row.key)}</td>
              </tr>
            )}
            <tr class={row.is_default === false ? 'changed' : ''}>
              <td class="mono">{row.key}</td>
              <td class="mono" data-label="Value">
                {row.value === '' ? <span class="dim">empty</span> : visibleLine(row.value)}
              </td>
              <td data-label="Comes from">
                {row.is_default === false ? (
                  <span class="pill acc mono">{visibleLine(row.origin)}</span>
                ) : (
                  <span class="dim">default</span>
                )}
              </td>
              <td class="mid">
                <Coded text={row.does ?? ''} />
                {row.takes_restart === true && row.is_default === false && (
                  <span class="dim"> A change takes effect after a restart.</span>
                )}
              </td>
            </tr>
          </Fragment>
        ))}
      </tbody>
    </table>
  );
};

/** A sentence of the reference: what is between backticks is code. */
const Coded = ({ text }: { readonly text: string }): JSX.Element => (
  <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>
);
