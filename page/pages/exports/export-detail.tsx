// One export beside the list: what it asks for, its file, and what happened to it.
import { Fragment, type JSX } from 'preact';
import type { ExportAnswer } from '../../../src/control/admin/answers/export-answers.ts';
import { bytes, duration, grouped, share, text, visible, visibleLine } from '../../formats.ts';
import { Button, Copy, Time } from '../../parts/basics.tsx';
import { go, params } from '../../state.ts';
import { curlOf, filtersOf, logsAddress, otherFilters } from './export-text.ts';
import { ExportActions, exportAddress, ExportState, progressOf } from './export-job.tsx';

/** Time until it is done, at the rate since its start; `undefined`: not known. */
function restMs(job: ExportAnswer): number | undefined {
  const started = job.history.findLast(({ status }) => status === 'in_progress');
  if (job.status !== 'in_progress' || started === undefined || job.exported_records === 0) return undefined;
  const took = Date.now() - Date.parse(started.at);
  return (took / job.exported_records) * Math.max(0, job.total_records - job.exported_records);
}

export const ExportDetail = ({
  job,
  onChanged,
}: {
  readonly job: ExportAnswer;
  readonly onChanged: () => void;
}): JSX.Element => {
  const filters = filtersOf(job);
  const others = otherFilters(job);
  const inLogs = logsAddress(job);
  const rest = restMs(job);
  return (
    <aside class="edetail" aria-label="Export">
      <section>
        <div class="row between">
          <h2>{visibleLine(job.description) || 'Without a name'}</h2>
          <Button
            kind="bare"
            icon="close"
            label="Close"
            onClick={() => go(exportAddress(undefined, params.value))}
          />
        </div>
        <div class="s2 mono">{job.id}</div>
        <div class="status">
          <ExportState job={job} />
          {job.status === 'in_progress' && (
            <p class="row between s2 num">
              <span>
                {text(share(progressOf(job)))}, {text(bytes(job.bytes))}
              </span>
              {rest !== undefined && <span>about {text(duration(rest))} left</span>}
            </p>
          )}
        </div>
        <p class="row">
          <ExportActions job={job} onChanged={onChanged} />
          <span class="grow" />
          <Copy
            kind="quiet"
            icon="curl"
            label="Copy a command that requests the same data"
            text={() =>
              curlOf(location.origin, {
                filters: job.filters,
                ...(job.requested_data.length === 0 ? {} : { requested_data: job.requested_data }),
                description: job.description,
                format: job.format,
              })
            }
          >
            curl
          </Copy>
        </p>
      </section>
      <section>
        <h3>
          Filter
          <span class="grow" />
          {inLogs !== undefined && <a href={inLogs}>see in Logs</a>}
        </h3>
        {others === undefined ? (
          <code>{typeof filters.query === 'string' ? visible(filters.query) : 'all requests'}</code>
        ) : (
          <pre>{visible(JSON.stringify(job.filters, null, 2))}</pre>
        )}
        <dl class="num">
          {typeof filters.time_of_generation_min === 'string' && (
            <>
              <dt>From</dt>
              <dd>
                <Time ms={Date.parse(filters.time_of_generation_min)} />
              </dd>
            </>
          )}
          {typeof filters.time_of_generation_max === 'string' && (
            <>
              <dt>To</dt>
              <dd>
                <Time ms={Date.parse(filters.time_of_generation_max)} />
              </dd>
            </>
          )}
          {typeof filters.page_size === 'number' && (
            <>
              <dt>Limit</dt>
              <dd>{grouped(filters.page_size)}</dd>
            </>
          )}
        </dl>
      </section>
      <section>
        <h3>
          Fields
          <span class="grow" />
          <span class="dim">{job.requested_data.length === 0 ? 'all' : job.requested_data.length}</span>
        </h3>
        <div class="efields">
          {job.requested_data.map((name) => (
            <code key={String(name)}>{String(name)}</code>
          ))}
        </div>
      </section>
      <section>
        <h3>File</h3>
        <dl class="num">
          <dt>Format</dt>
          <dd>{job.format}</dd>
          <dt>Records</dt>
          <dd>
            {grouped(job.exported_records)} of {job.is_total_exact ? '' : 'at least '}
            {grouped(job.total_records)}
          </dd>
          <dt>Kept until</dt>
          <dd>
            {job.expires_at === null ? <span class="dim">–</span> : <Time ms={Date.parse(job.expires_at)} />}
          </dd>
          <dt>SHA-256</dt>
          <dd class="mono sha">{job.sha256 ?? <span class="dim">when it is complete</span>}</dd>
        </dl>
      </section>
      <section>
        <h3>History</h3>
        <dl class="num">
          {job.history.map(({ at, status, error }, i) => (
            <Fragment key={i}>
              <dt class="mono">
                <Time ms={Date.parse(at)} />
              </dt>
              <dd>
                {status.replace('_', ' ')}
                {error !== null && `: ${visible(error)}`}
              </dd>
            </Fragment>
          ))}
        </dl>
      </section>
    </aside>
  );
};
