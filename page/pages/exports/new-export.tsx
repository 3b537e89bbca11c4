// The dialog that requests data: filter and preview on the left, time, size, fields and format on the right.
// Invariant: the preview is of the same request that the button sends; what was typed stays when weir refuses it.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ExportAnswer, ExportPreview } from '../../../src/control/admin/answers/export-answers.ts';
import { ask, isStopped, type Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { bytes, grouped, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { me } from '../../me.ts';
import { Button, Copy, Segments, Time } from '../../parts/basics.tsx';
import { Dialog } from '../../parts/floating.tsx';
import { Field, Refusal, useSending } from '../../parts/form.tsx';
import { Failed } from '../../parts/panel.tsx';
import { rangeOf } from '../../parts/time-range.ts';
import { params } from '../../state.ts';
import { curlOf, filtersOf, type ExportBody } from './export-text.ts';

/** Names of the fields, in the order of the contract (docs/contracts/portkey.md 5.3). */
const FIELDS =
  'id trace_id created_at request response ai_provider ai_model request_tokens response_tokens total_tokens cost cost_currency response_time status_code config prompt_slug metadata'.split(
    ' ',
  );
const FORMATS = ['jsonl', 'csv', 'json', 'parquet'] as const;
const MOST_ROWS = 50_000;
/** Pause after the last change before the preview is asked. */
const PAUSE_MS = 400;

interface Fields {
  readonly query: string;
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly limit: string;
  readonly page: string;
  readonly names: readonly string[];
  readonly format: string;
}

/** The state of a new form: that of another export, or the question of Logs. */
function initial(of: ExportAnswer | undefined): Fields {
  const usual = { limit: '', page: '', names: FIELDS, format: 'jsonl' };
  if (of !== undefined) {
    const {
      query = '',
      time_of_generation_min: from = '',
      time_of_generation_max: to = '',
      ...rest
    } = filtersOf(of);
    return {
      ...usual,
      query,
      from,
      to,
      name: of.description,
      limit: rest.page_size === undefined ? '' : String(rest.page_size),
      page: rest.current_page === undefined ? '' : String(rest.current_page),
      names: of.requested_data.length === 0 ? FIELDS : of.requested_data.map(String),
      format: of.format,
    };
  }
  const its = params.peek();
  const { fromMs, toMs, since } = rangeOf(its, Date.now(), '24h');
  const scope = [
    its['env'] === undefined ? '' : `environment:${JSON.stringify(its['env'])}`,
    its['dep'] === undefined ? '' : `deployment:${JSON.stringify(its['dep'])}`,
  ];
  return {
    ...usual,
    query: [...scope, its['q'] === undefined || scope.join('') === '' ? (its['q'] ?? '') : `(${its['q']})`]
      .filter((part) => part !== '')
      .join(' '),
    name: '',
    from: new Date(fromMs).toISOString(),
    to: since === undefined ? new Date(toMs).toISOString() : '',
  };
}

const isTime = (value: string): boolean => value === '' || !Number.isNaN(Date.parse(value));
const isCount = (value: string): boolean => value === '' || /^\d{1,9}$/.test(value);

function bodyOf({ query, name, from, to, limit, page, names, format }: Fields): ExportBody {
  return {
    filters: {
      ...(query.trim() === '' ? {} : { query: query.trim() }),
      ...(from === '' ? {} : { time_of_generation_min: new Date(from).toISOString() }),
      ...(to === '' ? {} : { time_of_generation_max: new Date(to).toISOString() }),
      ...(limit === '' ? {} : { page_size: Number(limit) }),
      ...(page === '' ? {} : { current_page: Number(page) }),
    },
    ...(names.length === FIELDS.length ? {} : { requested_data: names }),
    ...(name === '' ? {} : { description: name }),
    format,
  };
}

/** The preview of a request, asked when it has not changed for a moment. */
function usePreview(body: ExportBody | undefined): Answer<ExportPreview> | undefined {
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

export const NewExport = ({
  of,
  onDone,
}: {
  /** The export that is edited, if it is a draft, or asked for again. */
  readonly of: ExportAnswer | undefined;
  readonly onDone: (id: string | undefined) => void;
}): JSX.Element => {
  const [fields, setFields] = useState(() => initial(of));
  const set = (changes: Partial<Fields>): void => setFields({ ...fields, ...changes });
  const sending = useSending();
  const problems = {
    from: isTime(fields.from) ? undefined : 'Must be a time, such as 2026-11-27T00:00:00Z.',
    to: isTime(fields.to) ? undefined : 'Must be a time, or empty for now.',
    limit: isCount(fields.limit) ? undefined : 'Must be a whole number.',
    page: isCount(fields.page) ? undefined : 'Must be a whole number.',
  };
  const isValid = Object.values(problems).every((one) => one === undefined) && fields.names.length > 0;
  const body = isValid ? bodyOf(fields) : undefined;
  const preview = usePreview(body);
  const isEdit = of !== undefined && of.status !== 'success' && of.status !== 'in_progress';

  const save = async (isStarted: boolean): Promise<void> => {
    if (body === undefined || sending.isSending) return;
    const path = '/v1/logs/exports';
    const made = await (isEdit
      ? sending.send('PUT', `${path}/${of.id}`, body)
      : sending.send('POST', path, body));
    if (!made) return;
    const { id } = made.value as { readonly id: string };
    if (isStarted && !(await sending.send('POST', `${path}/${id}/start`, {}))) return;
    onDone(id);
  };
  useKeys('lists', { save: () => void save(true) });
  const why = fields.names.length === 0 ? 'Choose a field.' : isValid ? undefined : 'Some fields are wrong.';
  return (
    <Dialog
      class="exportnew"
      title="Request data"
      onClose={() => onDone(of?.id)}
      foot={
        <>
          <Copy kind="quiet" icon="curl" label="Copy as curl" text={() => curlOf(location.origin, body)}>
            As curl
          </Copy>
          <span class="grow">
            <Refusal error={sending.error} />
          </span>
          <span class="dim num">
            {preview?.ok === true &&
              preview.value.estimated_bytes !== null &&
              `about ${text(bytes(preview.value.estimated_bytes))}`}
          </span>
          <Button onClick={() => void save(false)} off={why}>
            Keep as draft
          </Button>
          <Button kind="primary" onClick={() => void save(true)} off={why}>
            Request export <kbd>Ctrl Enter</kbd>
          </Button>
        </>
      }
    >
      <div class="enew">
        <div class="preview">
          <div class="ask">
            <input
              class="inp mono grow"
              aria-label="Filter"
              autofocus
              placeholder="All requests; or a query such as status:5xx metadata.tier:pro"
              spellcheck={false}
              value={fields.query}
              onInput={(event) => set({ query: event.currentTarget.value })}
            />
          </div>
          <Preview preview={preview} />
        </div>
        <div class="eform">
          <Field
            label="Name"
            value={fields.name}
            onInput={(name) => set({ name })}
            placeholder="What it is for"
          />
          <div class="two">
            <Field
              label="From"
              isMono
              value={fields.from}
              onInput={(from) => set({ from })}
              problem={problems.from}
            />
            <Field
              label="To"
              isMono
              value={fields.to}
              onInput={(to) => set({ to })}
              problem={problems.to}
              placeholder="now"
            />
          </div>
          <p class="hint oldest">
            {me.value?.store?.oldest_ns != null && (
              <>
                The store goes back to <Time ms={Number(me.value.store.oldest_ns) / 1e6} digits="minutes" />;
                what is older has been deleted.
              </>
            )}
          </p>
          <div class="two">
            <Field
              label="Limit"
              value={fields.limit}
              onInput={(limit) => set({ limit })}
              problem={problems.limit}
              placeholder={grouped(MOST_ROWS)}
            />
            <Field
              label="Page"
              value={fields.page}
              onInput={(page) => set({ page })}
              problem={problems.page}
              hint="From 0, each of the limit’s size."
            />
          </div>
          <FieldBoxes names={fields.names} onChange={(names) => set({ names })} />
          <div class="row between">
            <span class="lbl">Format</span>
            <Segments
              isSmall
              label="Format"
              value={fields.format}
              options={FORMATS.map((one) => [one, one] as const)}
              onChoose={(format) => set({ format })}
            />
          </div>
        </div>
      </div>
    </Dialog>
  );
};

const FieldBoxes = ({
  names,
  onChange,
}: {
  readonly names: readonly string[];
  readonly onChange: (names: readonly string[]) => void;
}): JSX.Element => {
  const denied = useAnswer<{ readonly denied_fields: readonly string[] }>({
    path: '/v1/logs/exports/field-restrictions',
  }).asked.value.value?.denied_fields;
  useEffect(() => {
    if (denied?.some((one) => names.includes(one)) === true)
      onChange(names.filter((one) => !denied.includes(one)));
  }, [denied]);
  const allowed = FIELDS.filter((one) => denied?.includes(one) !== true);
  return (
    <fieldset>
      <legend class="lbl">
        Fields{' '}
        <span class="dim">
          {names.length} of {FIELDS.length}
        </span>{' '}
        <button type="button" class="link" onClick={() => onChange(allowed)}>
          all
        </button>{' '}
        <button type="button" class="link" onClick={() => onChange([])}>
          none
        </button>
      </legend>
      <div class="eboxes">
        {FIELDS.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={names.includes(name)}
              disabled={!allowed.includes(name)}
              onChange={(event) =>
                onChange(
                  event.currentTarget.checked
                    ? FIELDS.filter((one) => one === name || names.includes(one))
                    : names.filter((one) => one !== name),
                )
              }
            />
            <span class="mono">{name}</span>
            {!allowed.includes(name) && <span class="dim">denied</span>}
          </label>
        ))}
      </div>
    </fieldset>
  );
};

/** Columns of the preview that are worth their width, the first six that are there. */
const SHOWN =
  'created_at ai_model status_code response_time total_tokens cost id trace_id ai_provider metadata'.split(
    ' ',
  );

const Preview = ({ preview }: { readonly preview: Answer<ExportPreview> | undefined }): JSX.Element => {
  if (preview === undefined) return <p class="said dim">Counting…</p>;
  if (!preview.ok) return <Failed error={preview.error} />;
  const {
    matched_records: matched,
    total_records: total,
    is_total_exact: isExact,
    columns,
    sample,
  } = preview.value;
  const shown = SHOWN.filter((one) => columns.includes(one)).slice(0, 6);
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
              {shown.map((one) => (
                <th key={one}>{one}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sample.map((row, i) => (
              <tr key={i}>
                {shown.map((one) => (
                  <td key={one}>{cellText(row[one])}</td>
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
