// The menu Download: what is seen, as a file, and the downloads of this tab.
// Invariant: the file has the records of the list's own question; limits are said before it begins.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytes, duration, grouped, text } from '../../formats.ts';
import { me, missing } from '../../me.ts';
import { Button, Copy, Segments, State } from '../../parts/basics.tsx';
import { Drop } from '../../parts/floating.tsx';
import { addressOf } from '../../routes.ts';
import { params } from '../../state.ts';
import { attributesOfColumns, type Column } from './columns.ts';
import {
  begin,
  downloads,
  fetchAgain,
  stopDownload,
  type DownloadFormat,
  type TabDownload,
} from './downloads.ts';
import type { TotalJson } from './log-list.ts';
import type { ApiQuery, Direction } from './question.ts';

/** Fields of the file for each column of the list. */
const FIELDS_OF: Readonly<Record<string, readonly string[]>> = {
  time: ['timestamp'],
  level: ['level'],
  status: ['status'],
  duration: ['duration_ms'],
  ttfb: ['attributes.first_token_ms', 'attributes.first_byte_ms'],
  tokens: ['attributes.input_tokens', 'attributes.output_tokens'],
  replica: ['replica'],
  request: ['request_id'],
  message: ['message'],
  kind: ['kind'],
  deployment: ['deployment'],
  source: ['source'],
  traceId: ['trace_id'],
};

export interface DownloadMenuProps {
  readonly query: ApiQuery;
  readonly direction: Direction;
  readonly columns: readonly Column[];
  readonly total: TotalJson | undefined;
}

export const DownloadMenu = (props: DownloadMenuProps): JSX.Element => (
  <Drop label="Download" class="btn" icon="download" shown="Download" isRight>
    {() => <DownloadForm {...props} />}
  </Drop>
);

const DownloadForm = ({ query, direction, columns, total }: DownloadMenuProps): JSX.Element => {
  const [format, setFormat] = useState<DownloadFormat>('csv');
  const [which, setWhich] = useState<'shown' | 'all'>('shown');
  const [time, setTime] = useState<'iso' | 'ns'>('iso');
  const [problem, setProblem] = useState('');
  const [isBeginning, setBeginning] = useState(false);
  const limits = me.value?.limits;
  const most = limits?.download_rows ?? undefined;
  const isTooMany = most !== undefined && total !== undefined && total.count > most;
  const own = new Set(attributesOfColumns(columns));
  const fields =
    which === 'all'
      ? undefined
      : columns.flatMap(({ id }) => {
          const of = own.has(id) ? [`attributes.${id}`] : (FIELDS_OF[id] ?? []);
          return of.map((name) => (name === 'timestamp' && time === 'ns' ? 'timestamp_ns' : name));
        });
  const question = { ...query, ...(direction === 'asc' && { direction }) };
  const body = JSON.stringify({ ...question, format, ...(fields !== undefined && { columns: fields }) });
  const name = `weir-logs-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
  return (
    <div class="dlmenu">
      <div class="ph">
        <h2>Download</h2>
        <span class="sub">
          what you see
          {total !== undefined && `: ${total.is_exact ? '' : 'at least '}${grouped(total.count)} records`}
        </span>
      </div>
      <div class="pb dlform">
        <span class="mid">As</span>
        <Segments
          label="Format"
          isSmall
          value={format}
          options={[
            ['csv', 'CSV'],
            ['ndjson', 'NDJSON'],
            ['json', 'JSON'],
          ]}
          onChoose={setFormat}
        />
        <span class="mid">Columns</span>
        <Segments
          label="Columns"
          isSmall
          value={which}
          options={[
            ['shown', `As shown, ${columns.length}`],
            ['all', 'All fields'],
          ]}
          onChoose={setWhich}
        />
        {which === 'shown' && (
          <>
            <span class="mid">Times</span>
            <Segments
              label="Times"
              isSmall
              value={time}
              options={[
                ['iso', 'UTC, ISO 8601'],
                ['ns', 'ns since 1970'],
              ]}
              onChoose={setTime}
            />
          </>
        )}
        <p class="hint wide">
          {most === undefined
            ? 'Downloads have no limit here (logs.download_unlimited).'
            : `At most ${limits?.download_days ?? 7} days and ${grouped(most)} rows at a time (logs.download_unlimited).`}{' '}
          More, or with bodies:{' '}
          <a
            href={addressOf(
              { page: 'exports', id: 'new' },
              {
                q: params.value['q'] ?? '',
                since: params.value['since'] ?? '',
                start: params.value['start'] ?? '',
                end: params.value['end'] ?? '',
              },
            )}
          >
            an export
          </a>
          .
        </p>
        {problem !== '' && (
          <p class="hint err wide" role="alert">
            {problem}
          </p>
        )}
        <div class="row wide">
          <Button
            kind="primary"
            icon="download"
            off={
              missing('logs:read') ??
              (total?.count === 0
                ? 'Nothing matches'
                : isBeginning
                  ? 'The download is being prepared'
                  : undefined)
            }
            onClick={() => {
              setBeginning(true);
              setProblem('');
              void begin(question, format, fields, name).then((refused) => {
                setBeginning(false);
                setProblem(refused);
              });
            }}
          >
            Download{' '}
            {total === undefined
              ? ''
              : isTooMany
                ? `the first ${grouped(most)} rows`
                : `${grouped(total.count)} rows`}
          </Button>
          <span class="grow" />
          <Copy
            kind="quiet"
            icon="curl"
            label="Copy as curl"
            text={`curl ${location.origin}/v1/logs/downloads -H "Authorization: Bearer $WEIR_KEY" -H 'Content-Type: application/json' -d '${body.replaceAll("'", String.raw`'\''`)}'`}
          >
            curl
          </Copy>
        </div>
      </div>
      {downloads.value.length > 0 && (
        <div class="dljobs">
          <p class="dim">Of this tab</p>
          {downloads.value.map((one) => (
            <Job key={one.id} job={one} />
          ))}
        </div>
      )}
    </div>
  );
};

/** A text in an element of its own, so that none moves when it changes. */
const Said = ({ text: said }: { readonly text: string }): JSX.Element => (
  <span key={said} class="dim num">
    {said}
  </span>
);

const Job = ({ job }: { readonly job: TabDownload }): JSX.Element => {
  const { id, name, progress, problem, startedMs } = job;
  const rows = progress?.rows ?? 0;
  const all = progress?.total.count ?? 0;
  const part = all === 0 ? 0 : Math.min(1, rows / all);
  if (problem !== '' || progress?.state === 'failed' || progress?.state === 'stopped')
    return (
      <div class="dljob">
        <State shape="err">
          <span class="mono el">{name}</span>
        </State>
        <span />
        <Said
          text={`${problem !== '' ? problem : (progress?.error ?? 'Stopped')}${
            rows > 0 ? `, after ${grouped(rows)} rows: the file is not complete` : ''
          }`}
        />
      </div>
    );
  const isDone = progress?.state === 'finished';
  const leftMs = part > 0.02 ? ((Date.now() - startedMs) * (1 - part)) / part : undefined;
  const percent = isDone ? 100 : Math.round(part * 100);
  return (
    <div class="dljob">
      <State shape={isDone ? 'ok' : 'running'}>
        <span class="mono el">{name}</span>
      </State>
      <span class="num mid">{percent} %</span>
      <div class="prog wide" role="progressbar" aria-label={name} aria-valuenow={percent}>
        <i style={{ width: `${percent}%` }} />
      </div>
      {isDone ? (
        <Said
          text={`${grouped(rows)} rows, ${text(bytes(progress.bytes))}${progress.is_truncated ? ', more match' : ', complete'}`}
        />
      ) : (
        <Said
          text={`${grouped(rows)} of ${grouped(all)} rows, ${text(bytes(progress?.bytes ?? 0))}${
            leftMs === undefined ? '' : `, ${text(duration(leftMs))} left`
          }`}
        />
      )}
      {isDone ? (
        <Button kind="quiet" isSmall onClick={() => fetchAgain(job)}>
          Fetch again
        </Button>
      ) : (
        <Button kind="quiet" isSmall onClick={() => void stopDownload(id)}>
          Stop
        </Button>
      )}
    </div>
  );
};
