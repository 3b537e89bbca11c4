// One export: its status, and what can be done with it.
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { ExportAnswer, ExportStatus } from '../../../src/control/admin/answers/export-answers.ts';
import { ask } from '../../api/client.ts';
import { bytes, grouped, text, visible } from '../../formats.ts';
import { Button, State } from '../../parts/basics.tsx';
import { toast } from '../../parts/floating.tsx';
import { change } from '../../parts/form.tsx';
import { addressOf, type Params } from '../../routes.ts';
import { go } from '../../state.ts';

export const exportAddress = (id: string | undefined, its: Params = {}): string =>
  addressOf({ page: 'exports', id }, its);

/** Statuses as they are shown, in the order of a life. */
export const SHOWN_STATUS: Readonly<Record<ExportStatus, string>> = {
  draft: 'draft',
  in_progress: 'in progress',
  success: 'success',
  failure: 'failure',
  stopped: 'stopped',
};
const SHAPES = {
  draft: 'idle',
  in_progress: 'running',
  success: 'ok',
  failure: 'err',
  stopped: 'paused',
} as const;

/** The status of an export, with progress, or why it ended. */
export const ExportState = ({ job }: { readonly job: ExportAnswer }): JSX.Element => (
  <>
    <State shape={SHAPES[job.status]}>{SHOWN_STATUS[job.status]}</State>
    {job.status === 'in_progress' && (
      <>
        <div
          class="prog"
          role="progressbar"
          aria-label="Progress"
          aria-valuenow={Math.round(progressOf(job) * 100)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <i style={{ width: `${progressOf(job) * 100}%` }} />
        </div>
        <div class="s2 num">
          {grouped(job.exported_records)} of {grouped(job.total_records)}
        </div>
      </>
    )}
    {job.status === 'failure' && job.error !== null && <div class="s2 why err">{visible(job.error)}</div>}
    {job.status === 'stopped' && <div class="s2 num">after {grouped(job.exported_records)} records</div>}
    {job.status === 'success' && !job.has_file && <div class="s2">its file is gone</div>}
    {job.missed_records > 0 && (
      <div class="s2 why warn">
        {grouped(job.missed_records)} records were deleted before they could be read
      </div>
    )}
  </>
);

export const progressOf = ({ exported_records: done, total_records: total }: ExportAnswer): number =>
  total === 0 ? 0 : Math.min(1, done / total);

/** Opens the file by a URL that weir signs for this purpose. */
async function download(path: string): Promise<void> {
  const answer = await ask<{ readonly signed_url: string }>('GET', `${path}/download`);
  if (!answer.ok) return toast(answer.error.message, { isError: true });
  // The URL names the host that weir believes to have; the page has reached it under its own.
  const { pathname, search } = new URL(answer.value.signed_url, location.href);
  const link = document.createElement('a');
  link.href = pathname + search;
  link.download = '';
  link.click();
}

/** What can be done with an export in its status. */
export const ExportActions = ({
  job,
  onChanged,
  isSmall = false,
}: {
  readonly job: ExportAnswer;
  readonly onChanged: () => void;
  readonly isSmall?: boolean;
}): JSX.Element => {
  const path = `/v1/logs/exports/${encodeURIComponent(job.id)}`;
  const isBusy = useRef(false);
  /** Does one thing after the other: a second click does nothing. */
  const once = async (work: () => Promise<unknown>): Promise<void> => {
    if (isBusy.current) return;
    isBusy.current = true;
    await work();
    isBusy.current = false;
  };
  const act = (what: 'start' | 'cancel'): void =>
    void once(async () => {
      await change('POST', `${path}/${what}`, {});
      onChanged();
    });
  const start = (): void => act('start');
  const copy = (): void => go(exportAddress('new', { of: job.id }));
  switch (job.status) {
    case 'draft':
      return (
        <>
          <Button icon="play" isSmall={isSmall} onClick={start}>
            Start
          </Button>
          <Button kind="quiet" isSmall={isSmall} onClick={copy}>
            Edit
          </Button>
        </>
      );
    case 'in_progress':
      return (
        <Button icon="stop" isSmall={isSmall} onClick={() => act('cancel')}>
          Cancel
        </Button>
      );
    case 'success':
      return (
        <>
          {job.has_file && (
            <Button icon="download" isSmall={isSmall} onClick={() => void once(() => download(path))}>
              Download {text(bytes(job.bytes))}
            </Button>
          )}
          <Button
            kind={job.has_file ? 'quiet' : 'plain'}
            icon="refresh"
            isSmall={isSmall}
            onClick={copy}
            label="Request the same data again"
          >
            Again
          </Button>
        </>
      );
    default:
      return (
        <>
          <Button icon="refresh" isSmall={isSmall} onClick={start}>
            Start again
          </Button>
          <Button kind="quiet" isSmall={isSmall} onClick={copy}>
            Edit
          </Button>
        </>
      );
  }
};
