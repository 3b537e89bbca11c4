// The dialog that requests data: filter and preview on the left, time, size, fields and format on the right.
// Invariant: the preview is of the same request that the button sends; what was typed stays when weir refuses it, and is
// given up only when it was asked.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { ExportAnswer } from '../../../src/control/admin/answers/export-answers.ts';
import { bytes, grouped, text } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { me } from '../../me.ts';
import { Button, Copy, Segments, Time } from '../../parts/basics.tsx';
import { Dialog } from '../../parts/floating.tsx';
import { Field, Refusal, useSending } from '../../parts/form.tsx';
import { QueryField } from '../../parts/query-field.tsx';
import { params } from '../../state.ts';
import { bodyOf, FORMATS, initialFields, problemsOf, type ExportFields } from './export-form.ts';
import { Preview, usePreview } from './export-preview.tsx';
import { curlOf } from './export-text.ts';
import { FieldBoxes } from './field-boxes.tsx';

const MOST_ROWS = 50_000;
const PATH = '/v1/logs/exports';

/** The export that a save replaces: one that does not run and has no file; `undefined`: a new one is made. */
const replacedBy = (of: ExportAnswer | undefined): string | undefined =>
  of !== undefined && of.status !== 'success' && of.status !== 'in_progress' ? of.id : undefined;

export const NewExport = ({
  of,
  onDone,
}: {
  /** The export that is edited, if it is a draft, or asked for again. */
  readonly of: ExportAnswer | undefined;
  readonly onDone: (id: string | undefined) => void;
}): JSX.Element => {
  const [first] = useState(() => initialFields(of, params.peek(), Date.now()));
  const [fields, setFields] = useState(first);
  const [queryProblems, setQueryProblems] = useState(0);
  const [isLeaving, setShownLeaving] = useState(false);
  // As of now, not as it is drawn: Esc may come before the next frame.
  const isAsked = useRef(false);
  const setLeaving = (is: boolean): void => {
    isAsked.current = is;
    setShownLeaving(is);
  };
  const set = (changes: Partial<ExportFields>): void => {
    setFields((before) => ({ ...before, ...changes }));
    setLeaving(false);
  };
  const sending = useSending();
  /** Set as soon as there is one, so that a start that failed makes no second one. */
  const made = useRef(replacedBy(of));
  const problems = problemsOf(fields);
  const why =
    fields.names.length === 0
      ? 'Choose a field.'
      : queryProblems > 0
        ? 'The filter has a problem.'
        : (Object.values(problems) as (string | undefined)[]).some((one) => one !== undefined)
          ? 'Some fields are wrong.'
          : undefined;
  const body = why === undefined ? bodyOf(fields) : undefined;
  const preview = usePreview(body);

  const save = async (isStarted: boolean): Promise<void> => {
    if (body === undefined) return;
    const answer = await (made.current === undefined
      ? sending.send('POST', PATH, body)
      : sending.send('PUT', `${PATH}/${encodeURIComponent(made.current)}`, body));
    if (!answer) return;
    const { id } = answer.value as { readonly id: string };
    made.current = id;
    if (isStarted && !(await sending.send('POST', `${PATH}/${encodeURIComponent(id)}/start`, {}))) return;
    onDone(id);
  };
  useKeys('lists', { save: () => void save(true) });
  const leave = (): void => {
    const isChanged = JSON.stringify(fields) !== JSON.stringify(first);
    if (isChanged && !isAsked.current) setLeaving(true);
    else onDone(of?.id);
  };
  const off = sending.isSending ? 'It is being sent.' : why;
  return (
    <Dialog
      class="exportnew"
      title="Request data"
      onClose={leave}
      foot={
        isLeaving ? (
          <>
            <span class="grow" role="alert">
              What was entered is not saved.
            </span>
            <Button onClick={() => setLeaving(false)}>Go on</Button>
            <Button kind="danger" onClick={leave}>
              Close without saving
            </Button>
          </>
        ) : (
          <>
            <Copy
              kind="quiet"
              icon="curl"
              label="Copy as curl"
              off={why}
              text={() => curlOf(location.origin, body)}
            >
              As curl
            </Copy>
            <span class="grow">
              <Refusal error={sending.error} />
            </span>
            <span class="dim num size">
              {preview?.ok === true &&
                preview.value.estimated_bytes !== null &&
                `about ${text(bytes(preview.value.estimated_bytes))}`}
            </span>
            <Button onClick={() => void save(false)} off={off}>
              Keep as draft
            </Button>
            <Button kind="primary" onClick={() => void save(true)} off={off}>
              Request export <kbd>Ctrl Enter</kbd>
            </Button>
          </>
        )
      }
    >
      <div class="enew">
        <div class="preview">
          <div class="ask">
            <QueryField
              label="Filter"
              isFirst
              value={fields.query}
              placeholder="All requests; or status:5xx metadata.tier:pro"
              scope={problems.from === undefined && fields.from !== '' ? { start: fields.from } : {}}
              onInput={(query) => set({ query })}
              onProblems={setQueryProblems}
            />
            {fields.others !== undefined && (
              <p class="hint">
                And the filters of the client that made it: <code>{JSON.stringify(fields.others)}</code>{' '}
                <button type="button" class="link" onClick={() => set({ others: undefined })}>
                  without them
                </button>
              </p>
            )}
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
                UTC. The store goes back to{' '}
                <Time ms={Number(me.value.store.oldest_ns) / 1e6} digits="minutes" />; what is older has been
                deleted.
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
