// What a chosen row has: input and output of another request, the attributes of a span, or the text of a line.
// Invariant: attributes are asked for when a span is chosen, not with the trace.
import type { ComponentChildren, JSX } from 'preact';
import type { LogObject } from '../../../src/control/admin/logs/log-object-json.ts';
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import type {
  FlatLineJson,
  FlatSpanJson,
  FlatTraceJson,
} from '../../../src/control/admin/records/trace-json.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { msOfNs, visibleLine } from '../../formats.ts';
import { Button, Copy, Time } from '../../parts/basics.tsx';
import { JsonTree } from '../../parts/json-tree.tsx';
import { LongText } from '../../parts/long-text.tsx';
import { Answered } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { params } from '../../state.ts';
import { BodyViews } from './body-views.tsx';

/** True for spans that weir makes from the record of a request. */
export const isOfRequest = ({ type }: FlatSpanJson): boolean =>
  type === 'request' || type === 'queue' || type === 'connect' || type === 'replica' || type === 'async_wait';

/** Input and output of the record behind a span. `onBack`: shows those of the page's request again. */
export const OtherRequest = ({
  span,
  isSame,
  onBack,
}: {
  readonly span: FlatSpanJson;
  /** It has the id of the page's request: a run of its task. */
  readonly isSame: boolean;
  readonly onBack: () => void;
}): JSX.Element => {
  const live = useAnswer<RequestJson>(
    { path: `/v1/logs/${encodeURIComponent(span.place)}`, query: { with: 'details' } },
    { isKept: false },
  );
  const { from } = params.value;
  const id = span.request_id;
  return (
    <div class="other">
      <ChosenBar name={span.name} error={span.error} onBack={onBack}>
        {id !== undefined && !isSame && (
          <a class="btn sm" href={addressOf({ page: 'request', id }, from === undefined ? {} : { from })}>
            Open this request
          </a>
        )}
      </ChosenBar>
      <Answered live={live} words="Reading the request…">
        {(details) => <BodyViews details={details} />}
      </Answered>
    </div>
  );
};

/** Attributes of a span other than a request. */
export const SpanAttributes = ({
  traceId,
  span,
  onBack,
}: {
  readonly traceId: string;
  readonly span: FlatSpanJson;
  readonly onBack: () => void;
}): JSX.Element => {
  const live = useAnswer<FlatTraceJson>(
    { path: `/v1/traces/${encodeURIComponent(traceId)}`, query: { shape: 'flat', span: span.span_id } },
    { isKept: false },
  );
  return (
    <div class="other">
      <ChosenBar name={span.name} error={span.error} onBack={onBack} />
      <Answered live={live} words="Reading the span…">
        {({ spans: [read] }) => {
          const { input, output, ...rest } = read?.attributes ?? {};
          return (
            <div class="cvbody pb" tabIndex={0} role="region" aria-label="Details">
              {input !== undefined && (
                <>
                  <h3>Input</h3>
                  <JsonTree value={input} label="Input" />
                </>
              )}
              {output !== undefined && (
                <>
                  <h3>Output</h3>
                  <JsonTree value={output} label="Output" />
                </>
              )}
              <h3>Attributes</h3>
              <JsonTree value={rest} label="Attributes" />
            </div>
          );
        }}
      </Answered>
    </div>
  );
};

/** A log line with its whole text. */
export const LineDetails = ({
  line,
  onBack,
}: {
  readonly line: FlatLineJson;
  readonly onBack: () => void;
}): JSX.Element => {
  const live = useAnswer<LogObject>(
    line.is_cut === true || line.message === ''
      ? { path: `/v1/logs/${encodeURIComponent(line.place)}` }
      : undefined,
    { isKept: false },
  );
  const record = live.asked.value.value;
  const { level = '', replica, source } = line;
  return (
    <div class="other">
      <ChosenBar name={`${level} line of ${replica ?? source ?? 'weir'}`.trim()} onBack={onBack}>
        <Time ms={msOfNs(line.timestamp_ns)} digits="ms" />
        <Copy text={record?.message ?? line.message} label="Copy the text" isSmall />
        <a
          class="btn sm"
          href={addressOf({ page: 'logs' }, { ctx: line.place, ...aroundTimes(msOfNs(line.timestamp_ns)) })}
        >
          In context
        </a>
      </ChosenBar>
      <div class="cvbody pb" tabIndex={0} role="region" aria-label="Details">
        <pre>
          <LongText text={record?.message ?? line.message} />
        </pre>
        {record?.attributes !== undefined && <JsonTree value={record.attributes} label="Attributes" />}
      </div>
    </div>
  );
};

const AROUND_MS = 15 * 60_000;
/** Times of a list in which a line is. */
const aroundTimes = (ms: number): { readonly start: string; readonly end: string } => ({
  start: new Date(ms - AROUND_MS).toISOString(),
  end: new Date(ms + AROUND_MS).toISOString(),
});

const ChosenBar = ({
  name,
  error,
  onBack,
  children,
}: {
  readonly name: string;
  readonly error?: string | undefined;
  readonly onBack: () => void;
  readonly children?: ComponentChildren;
}): JSX.Element => (
  <div class="ph">
    <span class="sub">Chosen</span>
    <span class="strong el">{visibleLine(name)}</span>
    {error !== undefined && <span class="err el">{visibleLine(error)}</span>}
    <span class="grow" />
    {children}
    <Button isSmall kind="quiet" onClick={onBack}>
      Back to this request
    </Button>
  </div>
);
