// What an export would have: how many records, and the first of them.
// Invariant: the preview is of the request that is in the form; while that has a problem, the old one stays.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ExportPreview } from '../../../src/control/admin/answers/export-answers.ts';
import { ask, isStopped, type Answer } from '../../api/client.ts';
import { grouped, visibleLine } from '../../formats.ts';
import { Time } from '../../parts/basics.tsx';
import { Failed } from '../../parts/panel.tsx';
import type { ExportBody } from './export-text.ts';

/** Pause after the last change before the preview is asked, in milliseconds. */
const PAUSE_MS = 400;

/** The preview of a request, asked when it has not changed for a moment; `undefined` asks nothing. */
export function usePreview(body: ExportBody | undefined): Answer<ExportPreview> | undefined {
  const [answer, setAnswer] = useState<Answer<ExportPreview>>();
  const key = JSON.stringify(body);
  useEffect(() => {
    if (body === undefined) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      void ask<ExportPreview>('POST', '/v1/logs/exports/preview', { body, signal: stop.signal }).then(
        (got) => {
          if (got.ok || !isStopped(got.error)) setAnswer(got);
        },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key]);
  return answer;
}

/** Columns of the preview that are worth their width, the first six that are there; true: numbers. */
const SHOWN: readonly (readonly [name: string, isNumber: boolean])[] = [
  ['created_at', false],
  ['ai_model', false],
  ['status_code', true],
  ['response_time', true],
  ['total_tokens', true],
  ['cost', true],
  ['id', false],
  ['trace_id', false],
  ['ai_provider', false],
  ['metadata', false],
];

export const Preview = ({
  preview,
}: {
  readonly preview: Answer<ExportPreview> | undefined;
}): JSX.Element => {
  if (preview === undefined) return <p class="said dim">Counting…</p>;
  if (!preview.ok) return <Failed error={preview.error} />;
  const {
    matched_records: matched,
    total_records: total,
    is_total_exact: isExact,
    columns,
    sample,
  } = preview.value;
  const shown = SHOWN.filter(([one]) => columns.includes(one)).slice(0, 6);
  return (
    <>
      <p class="said" role="status">
        {isExact ? '' : 'at least '}
        <b class="num">{grouped(matched)}</b> requests match, <b class="num">{grouped(total)}</b> of them are
        in this file
      </p>
      <div class="rows" tabIndex={0} role="region" aria-label="Preview">
        <table>
          <thead>
            <tr>
              {shown.map(([one, isNumber]) => (
                <th key={one} class={isNumber ? 'n' : ''}>
                  {one}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sample.map((row, i) => (
              <tr key={i}>
                {shown.map(([one, isNumber]) => (
                  <td key={one} class={isNumber ? 'n' : ''}>
                    {one === 'created_at' && typeof row[one] === 'string' ? (
                      <Time ms={Date.parse(row[one])} digits="ms" />
                    ) : (
                      cellText(row[one])
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="tail dim">
        {sample.length === 0
          ? 'Nothing to show.'
          : `The first ${sample.length}, without bodies. Bodies are in the file where they were stored.`}
      </p>
    </>
  );
};

const cellText = (value: unknown): string =>
  value === null || value === undefined
    ? '–'
    : visibleLine(typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
