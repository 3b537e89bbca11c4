// Exports: files of requests with chosen fields, which are made in the background; the list, one of them, and a new one.
// Invariant: what an export can do depends on its status as weir tells it; progress is asked each second only while one runs.
import './exports.css';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ExportAnswer, ExportStatus } from '../../../src/control/admin/answers/export-answers.ts';
import { useAnswer, type Live } from '../../api/use-answer.ts';
import { ago, count, grouped, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Button, Num, Segments, Time } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Answered } from '../../parts/panel.tsx';
import { go, params, route, setParams } from '../../state.ts';
import { ExportDetail } from './export-detail.tsx';
import { ExportActions, exportAddress, ExportState, SHOWN_STATUS } from './export-job.tsx';
import { NewExport } from './new-export.tsx';

/** Answer of GET /v1/logs/exports. */
interface ExportPage {
  readonly total: number;
  readonly data: readonly ExportAnswer[];
}

const STATUSES = Object.keys(SHOWN_STATUS) as ExportStatus[];

/** Intervals, in milliseconds: while one runs, and else. */
const RUNNING_MS = 1000;
const IDLE_MS = 15_000;

const Exports = (): JSX.Element => {
  const here = route.value;
  const id = here.page === 'exports' ? here.id : undefined;
  const isRunning = useRunning();
  const off = missing('logs:read');
  const live = useAnswer<ExportPage>(
    off === undefined ? { path: '/v1/logs/exports', query: { page_size: 100 } } : undefined,
    { everyMs: isRunning.value ? RUNNING_MS : IDLE_MS },
  );
  const all = live.asked.value.value?.data ?? [];
  isRunning.set(all.some(({ status }) => status === 'in_progress'));
  const chosen = all.find((one) => one.id === id);
  const ofId = params.value['of'];
  const of = all.find((one) => one.id === ofId);
  const add = (): void => go(exportAddress('new'));
  useKeys('lists', { new: () => (off === undefined ? add() : false) });
  return (
    <div class={chosen ? 'exports has-detail' : 'exports'}>
      <Toolbar all={all} onNew={add} off={off} />
      <div class="etable">
        {off !== undefined ? (
          <div class="empty">
            <Icon name="key" />
            <p>{off}</p>
          </div>
        ) : (
          <Answered live={live} words="Reading the exports…">
            {({ data, total }) => (
              <ExportTable
                all={data}
                total={total}
                chosen={chosen?.id}
                live={live}
                isMissing={id === 'new' ? ofId !== undefined && !of : id !== undefined && !chosen}
              />
            )}
          </Answered>
        )}
      </div>
      {chosen && <ExportDetail job={chosen} onChanged={live.again} />}
      {/* A form for an export waits for it: it begins with what that asks for. */}
      {id === 'new' && off === undefined && (ofId === undefined || of !== undefined) && (
        <NewExport
          key={ofId ?? ''}
          of={of}
          onDone={(made) => {
            live.again();
            go(exportAddress(made), true);
          }}
        />
      )}
    </div>
  );
};

/** Whether an export runs, as of the last answer. */
function useRunning(): { readonly value: boolean; readonly set: (isRunning: boolean) => void } {
  const [value, setValue] = useState(false);
  return { value, set: (next) => void (next !== value && setValue(next)) };
}

const Toolbar = ({
  all,
  onNew,
  off,
}: {
  readonly all: readonly ExportAnswer[];
  readonly onNew: () => void;
  readonly off: string | undefined;
}): JSX.Element => {
  const status = params.value['status'] ?? '';
  const countOf = (one: string): number => all.filter((job) => job.status === one).length;
  return (
    <div class="etool">
      <Button kind="primary" icon="plus" onClick={onNew} off={off}>
        Request data <kbd>n</kbd>
      </Button>
      <input
        class="inp"
        type="search"
        aria-label="Find an export"
        placeholder="Name, id or filter"
        value={params.value['find'] ?? ''}
        onInput={(event) => setParams({ find: event.currentTarget.value }, true)}
      />
      <Segments
        label="Status"
        value={status}
        options={[
          ['', `All ${all.length}`],
          ...STATUSES.map(
            (one) =>
              [
                one,
                `${SHOWN_STATUS[one][0]!.toUpperCase()}${SHOWN_STATUS[one].slice(1)} ${countOf(one)}`,
              ] as const,
          ),
        ]}
        onChoose={(chosen) => setParams({ status: chosen })}
      />
    </div>
  );
};

const fits = (job: ExportAnswer, find: string, status: string): boolean =>
  (status === '' || job.status === status) &&
  `${job.description} ${job.id} ${JSON.stringify(job.filters)}`.toLowerCase().includes(find.toLowerCase());

const ExportTable = ({
  all,
  total,
  chosen,
  live,
  isMissing,
}: {
  readonly all: readonly ExportAnswer[];
  readonly total: number;
  readonly chosen: string | undefined;
  readonly live: Live<ExportPage>;
  readonly isMissing: boolean;
}): JSX.Element => {
  const { find = '', status = '' } = params.value;
  const rows = all.filter((job) => fits(job, find, status));
  return (
    <>
      {isMissing && <p class="stale">There is no such export, or another key has made it.</p>}
      {rows.length === 0 ? (
        <div class="empty">
          {all.length === 0 ? (
            <>
              <p>An export is a file of requests with chosen fields: JSONL, JSON, CSV or Parquet.</p>
              <p>None was requested yet.</p>
            </>
          ) : (
            <p>No export of {all.length} fits.</p>
          )}
        </div>
      ) : (
        <table class="cards">
          <thead>
            <tr>
              <th>Export</th>
              <th>Created by</th>
              <th>Created ↓</th>
              <th class="n">Fields</th>
              <th class="n">Records</th>
              <th>Status</th>
              <th class="r">Action</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((job) => (
              <tr key={job.id} class={job.id === chosen ? 'cur' : ''}>
                <td>
                  <a class="strong" href={exportAddress(job.id, params.value)}>
                    {visibleLine(job.description) || 'Without a name'}
                  </a>
                  <div class="s2 mono">{job.id.slice(0, 8)}</div>
                </td>
                <td data-label="Created by">
                  {job.created_by_name === null ? (
                    <span class="dim">–</span>
                  ) : (
                    visibleLine(job.created_by_name)
                  )}
                </td>
                <td data-label="Created">
                  <div>
                    <Time ms={Date.parse(job.created_at)} digits="minutes" />
                    <div class="s2">{ago(Date.parse(job.created_at), Date.now())}</div>
                  </div>
                </td>
                <td class="n" data-label="Fields">
                  {job.requested_data.length === 0 ? 'all' : job.requested_data.length}
                </td>
                <td class="n" data-label="Records">
                  <span>
                    {job.is_total_exact ? '' : '≥ '}
                    <Num figure={count(job.total_records)} />
                  </span>
                </td>
                <td data-label="Status">
                  <div>
                    <ExportState job={job} />
                  </div>
                </td>
                <td class="r">
                  <span class="row acts">
                    <ExportActions job={job} onChanged={live.again} isSmall />
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {total > all.length && (
        <p class="stale">
          The newest {all.length} of {grouped(total)} exports.
        </p>
      )}
    </>
  );
};

export default Exports;
