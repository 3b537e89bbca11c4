// The details of a record under its row: its whole text, and the facts of its request.
// Invariant: the row is shown at once; what it lacks is asked for and added below, without a jump above it.
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { duration, grouped, visible } from '../../formats.ts';
import { Button, Copy, Num } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { addressOf, print } from '../../routes.ts';
import { params, place, setParams } from '../../state.ts';
import { attributeFacts, Facts, type Fact } from './facts.tsx';
import { causeText, numberAttribute, textAttribute, type LogJson } from './record.ts';
import { markIn } from './row-painter.ts';
import { foldedLines, isTraceback, linesOf } from './trace-lines.ts';

interface ContextJson {
  readonly log: LogJson;
}

interface LogsJson {
  readonly logs: readonly LogJson[];
}

/** A command that reads a record. The key is that of the reader's environment. */
export const curlOf = ({ seq }: LogJson): string =>
  `curl -H "Authorization: Bearer $WEIR_KEY" ${location.origin}/v1/logs/${seq}`;

/** The address of the record in this list. */
const linkTo = ({ seq }: LogJson): string =>
  location.origin + print({ route: { page: 'logs' }, params: { ...params.peek(), open: String(seq) } });

/** The page of a request, which knows the list that it was opened from. */
export const requestAddress = (id: string): string =>
  addressOf({ page: 'request', id }, { from: print(place.peek()) });

export const Detail = ({
  record,
  marked,
  onContext,
  onClose,
}: {
  readonly record: LogJson;
  readonly marked: RegExp | undefined;
  readonly onContext: () => void;
  readonly onClose: () => void;
}): JSX.Element => {
  const whole = useAnswer<ContextJson>(
    {
      path: `/v1/logs/${record.seq}/context`,
      query: { before: 0, after: 0, scope: 'all' },
    },
    { isKept: false },
  );
  const full = whole.asked.value.value?.log ?? record;
  const id = record.request_id ?? '';
  const isOfRequest = record.kind !== 'request' && id !== '';
  const found = useAnswer<LogsJson>(
    isOfRequest
      ? {
          path: '/v1/logs',
          query: { q: `requestId:"${id.replaceAll(/["\\]/g, '\\$&')}"`, kind: 'request', limit: 1 },
        }
      : undefined,
    { isKept: false },
  );
  const request = record.kind === 'request' ? full : found.asked.value.value?.logs[0];
  // New elements for what comes later, so that nothing in them moves.
  const state = `${full === record ? 'row' : 'whole'} ${request === undefined ? '' : 'request'}`;
  return (
    <div class="det" onClick={(event) => event.stopPropagation()}>
      <div class="detl" key={`l ${full === record ? 'row' : 'whole'}`}>
        {record.kind === 'request' ? (
          <RequestText record={full} onContext={onContext} />
        ) : (
          <TextBlock record={full} marked={marked} onContext={onContext} />
        )}
        {whole.asked.value.error !== undefined && (
          <p class="hint err" role="alert">
            {whole.asked.value.error.message}
          </p>
        )}
      </div>
      <div class="detr" key={`r ${state}`}>
        <div class="deth">
          <span class="strong">{request === undefined && !isOfRequest ? 'Record' : 'Request'}</span>
          <span class="grow" />
          {id !== '' && (
            <a class="btn sm" href={requestAddress(id)}>
              Open <Icon name="arrow" isSmall />
            </a>
          )}
          <Copy
            text={() => linkTo(record)}
            label="Copy a link to this record"
            kind="quiet"
            icon="link"
            isSmall
          >
            Link
          </Copy>
          <Copy text={curlOf(record)} label="Copy as curl" kind="quiet" icon="curl" isSmall>
            curl
          </Copy>
          <Button kind="bare" isSmall icon="close" label="Close the details (Enter)" onClick={onClose} />
        </div>
        <Facts facts={request === undefined ? recordFacts(full) : requestFacts(request)} />
        {isOfRequest && request === undefined && found.asked.value.value !== undefined && (
          <p class="hint">Its request is not recorded yet: a request is recorded when it ends.</p>
        )}
        {request !== undefined && <TimeBars request={request} />}
        {record.kind !== 'request' && <Attributes record={full} />}
      </div>
    </div>
  );
};

/** The text of a line, an event or a span. */
const TextBlock = ({
  record,
  marked,
  onContext,
}: {
  readonly record: LogJson;
  readonly marked: RegExp | undefined;
  readonly onContext: () => void;
}): JSX.Element => {
  const trace = textAttribute(record, 'exc_info');
  const text = trace === '' ? record.message : `${record.message}\n${trace}`;
  const count = text.replace(/\n$/, '').split('\n').length;
  const isWrapped = params.value['wrap'] !== undefined;
  return (
    <>
      <div class="deth">
        <span class="strong">
          {isTraceback(text)
            ? 'Traceback'
            : record.kind === 'event'
              ? 'Event'
              : record.kind === 'span'
                ? 'Span'
                : 'Line'}
        </span>
        <span class="dim el">
          {count > 1 ? `${grouped(count)} lines of one record` : `${grouped(text.length)} characters`}
          {record.replica !== undefined && `, written by ${record.replica}`}
          {record.source !== undefined && record.source !== 'weir' && ` to ${record.source}`}
        </span>
        <span class="grow" />
        <Button isSmall icon="context" onClick={onContext} label="What was written around it (x)">
          In context
        </Button>
        <Copy text={text} label="Copy the text" kind="quiet" isSmall>
          Text
        </Copy>
        <Button
          kind="bare"
          isSmall
          icon="wrap"
          label="Wrap lines (w)"
          isOn={isWrapped}
          onClick={() => setParams({ wrap: isWrapped ? undefined : '1' }, true)}
        />
      </div>
      <Lines key={record.seq} text={text} marked={marked} isWrapped={isWrapped} />
    </>
  );
};

/** Lines of a text that are drawn at once, since a text may have very many. */
const MOST_LINES = 2000;

const Lines = ({
  text,
  marked,
  isWrapped,
}: {
  readonly text: string;
  readonly marked: RegExp | undefined;
  readonly isWrapped: boolean;
}): JSX.Element => {
  const [isWhole, setWhole] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const lines = linesOf(text);
  const fold = isWhole ? undefined : foldedLines(lines.length);
  useLayoutEffect(() => {
    const nodes: Text[] = [];
    const walker = document.createTreeWalker(box.current!, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) nodes.push(walker.currentNode as Text);
    markIn('found-detail', nodes, marked);
    return () => markIn('found-detail', [], undefined);
  }, [text, isWhole, marked]);
  const line = (at: number): JSX.Element => (
    <div key={at} class="tl-line">
      {lines[at]!.map(([kind, part], i) => (
        <span key={i} class={kind}>
          {visible(part)}
        </span>
      ))}
      {lines[at]!.every(([, part]) => part === '') && '\u200b'}
    </div>
  );
  const range = (from: number, to: number): JSX.Element[] =>
    Array.from({ length: Math.max(0, Math.min(to, from + MOST_LINES) - from) }, (_, i) => line(from + i));
  return (
    <div
      class={isWrapped ? 'tb wrap' : 'tb'}
      ref={box}
      tabIndex={0}
      role="region"
      aria-label="Text of the record"
    >
      {fold === undefined ? (
        range(0, lines.length)
      ) : (
        <>
          {range(0, fold.from)}
          <button type="button" class="more" onClick={() => setWhole(true)}>
            … {fold.to - fold.from} more lines
          </button>
          {range(fold.to, lines.length)}
        </>
      )}
      {lines.length > MOST_LINES && isWhole && (
        <p class="dim">{grouped(lines.length - MOST_LINES)} more lines: Text copies all of them.</p>
      )}
    </div>
  );
};

/** What went wrong with a request, and its own attributes. */
const RequestText = ({
  record,
  onContext,
}: {
  readonly record: LogJson;
  readonly onContext: () => void;
}): JSX.Element => {
  const error = textAttribute(record, 'response_error');
  const detail = textAttribute(record, 'detail');
  const id = record.request_id ?? '';
  return (
    <>
      <div class="deth">
        <span class="strong">{error !== '' || detail !== '' ? 'Error' : 'Attributes'}</span>
        <span class="dim el">{record.message}</span>
        <span class="grow" />
        {id !== '' && (
          <Button isSmall icon="filter" onClick={() => setParams({ q: `requestId:${id}`, kind: undefined })}>
            Its lines
          </Button>
        )}
        <Button isSmall icon="context" onClick={onContext} label="What was written around it (x)">
          In context
        </Button>
      </div>
      {(error !== '' || detail !== '') && (
        <div class="tb wrap" tabIndex={0} role="region" aria-label="Text of the error">
          {[error, detail]
            .filter((one) => one !== '')
            .map((one) => (
              <div key={one} class="tl-line">
                <span class="ex">{visible(one)}</span>
              </div>
            ))}
        </div>
      )}
      <Attributes record={record} />
    </>
  );
};

/** Attributes that are shown as facts, texts or bars. */
const SHOWN = new Set(
  'method path cause remote detail response_error exc_info queue_ms leased_ms connected_ms metadata'.split(
    ' ',
  ),
);

const Attributes = ({ record }: { readonly record: LogJson }): JSX.Element | null => {
  const facts = attributeFacts(record.attributes ?? {}, SHOWN);
  return facts.length === 0 ? null : (
    <div class={record.kind === 'request' ? 'attrs wide' : 'attrs'}>
      <Facts facts={facts} />
    </div>
  );
};

const fact = (name: string, value: string | undefined, field: string, note = ''): readonly Fact[] =>
  value === undefined || value === '' ? [] : [{ name, value, field, note }];

function requestFacts(request: LogJson): readonly Fact[] {
  const cause = textAttribute(request, 'cause');
  return [
    ...fact('request id', request.request_id, 'requestId'),
    ...fact('path', `${textAttribute(request, 'method')} ${textAttribute(request, 'path')}`.trim(), ''),
    ...fact('status', request.status === undefined ? '' : String(request.status), 'status'),
    ...fact('cause', cause, 'cause', cause === 'ok' ? "the replica's own answer" : causeText(cause)),
    ...fact('replica', request.replica, 'replica'),
    ...fact('trace id', request.trace_id, 'traceId'),
    ...fact('client', textAttribute(request, 'remote'), 'remote'),
    ...attributeFacts({ metadata: request.attributes?.['metadata'] }, new Set()),
  ];
}

const recordFacts = (record: LogJson): readonly Fact[] => [
  ...fact('kind', record.kind, 'kind'),
  ...fact('replica', record.replica, 'replica'),
  ...fact('source', record.source, 'source'),
  ...fact('deployment', record.deployment, 'deployment'),
  ...fact('environment', record.environment, 'environment'),
  ...fact('trace id', record.trace_id, 'traceId'),
  ...fact('pod', record.pod, 'pod'),
  ...attributeFacts({ metadata: record.attributes?.['metadata'] }, new Set()),
];

/** Where the time of a request went. */
const TimeBars = ({ request }: { readonly request: LogJson }): JSX.Element | null => {
  const total = request.duration_ms ?? 0;
  if (total <= 0) return null;
  const queued = numberAttribute(request, 'queue_ms') ?? 0;
  const leased = numberAttribute(request, 'leased_ms');
  const connected = numberAttribute(request, 'connected_ms');
  const token = numberAttribute(request, 'first_token_ms');
  const first = token ?? numberAttribute(request, 'first_byte_ms');
  const start = connected ?? leased ?? queued;
  const isFailed = (request.status ?? 0) >= 500;
  const bars = [
    ...(queued > 0 ? [['queued', 0, queued, 'warn'] as const] : []),
    ...(connected !== undefined && leased !== undefined ? [['connect', leased, connected, ''] as const] : []),
    ...(first === undefined || first <= start
      ? [['replica', start, total, isFailed ? 'err' : ''] as const]
      : [
          [token === undefined ? 'first byte' : 'first token', start, first, isFailed ? 'err' : ''] as const,
          ['rest', first, total, isFailed ? 'err' : 'acc'] as const,
        ]),
  ];
  return (
    <div class="bt">
      {bars.map(([name, from, to, tone]) => (
        <div key={name} class="btl">
          <span class="dim">{name}</span>
          <span class="trk" aria-hidden="true">
            <i
              class={tone}
              style={{
                left: `${(from / total) * 100}%`,
                width: `${(Math.max(0, to - from) / total) * 100}%`,
              }}
            />
          </span>
          <span class="r">
            <Num figure={duration(Math.max(0, to - from))} />
          </span>
        </div>
      ))}
    </div>
  );
};
