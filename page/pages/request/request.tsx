// The page of one request, or of one trace: what happened, its waterfall, what went in and came out, what was said of it.
// Invariant: what is shown belongs together: a request's facts and its trace change at once, when both are there.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import type { FlatSpanJson } from '../../../src/control/admin/records/trace-json.ts';
import { useAnswer, type Live } from '../../api/use-answer.ts';
import { duration, text } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Failed, Loading } from '../../parts/panel.tsx';
import { params, route, setParams, status } from '../../state.ts';
import { useAnnotations } from './annotations.ts';
import { BodyViews } from './body-views.tsx';
import { Facts } from './facts.tsx';
import { Head } from './head.tsx';
import { NotThere } from './not-there.tsx';
import { Feedback, Scores } from './side.tsx';
import { Attributes, Metadata, Tokens } from './side-facts.tsx';
import { isOfRequest, LineDetails, OtherRequest, SpanAttributes } from './span-details.tsx';
import { Tags } from './tags.tsx';
import { PastTask, TaskSide } from './task-side.tsx';
import { Thread } from './thread.tsx';
import { useTrace, type ReadTrace } from './use-trace.ts';
import { LINE, lineId } from './waterfall-rows.ts';
import { countsText, TraceViews, Waterfall } from './waterfall.tsx';
import './request.css';

/** What is shown: the newest request whose details and trace have both come. */
interface Shown {
  readonly id: string;
  readonly details: RequestJson | undefined;
  readonly read: ReadTrace | undefined;
}

const Page = (): JSX.Element | null => {
  const to = route.value;
  return to.page === 'request' || to.page === 'trace' ? <RequestPage what={to.page} id={to.id} /> : null;
};
export default Page;

const RequestPage = ({
  what,
  id,
}: {
  readonly what: 'request' | 'trace';
  readonly id: string;
}): JSX.Element => {
  const [attempt, setAttempt] = useState(0);
  const read = useTrace(id, attempt).value;
  const trace = read?.of === id ? read.trace : undefined;
  const isTraceKnown = read?.of === id && read.attempt === attempt;
  // A trace is shown with its first request.
  const requestId = what === 'request' ? id : trace?.spans.find((one) => one.type === 'request')?.request_id;
  const live = useAnswer<RequestJson>(
    requestId === undefined
      ? undefined
      : { path: `/v1/logs/${encodeURIComponent(requestId)}`, query: { with: 'details' } },
    { isKept: false },
  );
  const { value: details, error, isAsking } = live.asked.value;
  const isOwn = details !== undefined && details.log.request_id === requestId;
  const again = (): void => {
    live.again();
    setAttempt((n) => n + 1);
  };
  useKeys('everywhere', { again });

  const kept = useRef<Shown | undefined>(undefined);
  // Of one attempt, both: what is added later would move what is there.
  const isReady =
    isTraceKnown &&
    ((what === 'trace' && requestId === undefined) || (!isAsking && (isOwn || error !== undefined)));
  if (isReady) kept.current = { id, details: isOwn ? details : undefined, read };
  const shown = kept.current;

  const tookMs = read?.tookMs;
  useEffect(() => {
    status.value = tookMs === undefined ? '' : `trace read in ${text(duration(tookMs))}`;
    return () => void (status.value = '');
  }, [tookMs]);

  const isMissing = error !== undefined && !isOwn;
  return (
    <div class="rq">
      <Head id={id} what={what} details={isOwn ? details : undefined} />
      <div class="rqwait">
        <Loading of={live} words="Reading the request…" />
      </div>
      {shown !== undefined && (
        <>
          {shown.details === undefined ? <div class="facts" /> : <Facts details={shown.details} />}
          <Content
            key={shown.id}
            shown={shown}
            live={live}
            missing={isMissing && <NotThere id={id} error={error} onAgain={again} />}
          />
        </>
      )}
    </div>
  );
};

const Content = ({
  shown: { id, details, read },
  live,
  missing,
}: {
  readonly shown: Shown;
  readonly live: Live<RequestJson>;
  readonly missing: JSX.Element | false;
}): JSX.Element => {
  const chosenId = params.value['span'];
  const [isThread, setThread] = useState(false);
  const trace = read?.trace;
  const own = trace?.spans.find(
    (span) =>
      span.type === 'request' &&
      (details === undefined ? span.request_id === id : span.place === details.place),
  );
  // Of a task the bodies are those of its runs; the last one is shown at first.
  const run =
    details === undefined || own === undefined
      ? undefined
      : trace?.spans.findLast(
          (span) =>
            span.type === 'request' && span.request_id === own.request_id && span.place !== details.place,
        );
  const first = run ?? own;
  const chosen = chosenId === undefined ? run : trace?.spans.find((span) => span.span_id === chosenId);
  const line =
    chosenId?.startsWith(LINE) === true ? trace?.lines.find((one) => lineId(one) === chosenId) : undefined;
  const choose = (id: string | undefined): void =>
    setParams({ span: id === first?.span_id ? undefined : id }, true);
  const back = (): void => choose(own?.span_id);
  const isOther =
    chosen !== undefined && !(details !== undefined && isOfRequest(chosen) && chosen.place === details.place);
  return (
    <>
      <div class="lcol">
        {trace !== undefined && isThread && (
          <section class="thwhole" aria-label="Thread of the trace">
            <div class="ph">
              <h2>Trace</h2>
              <span class="sub el">{countsText(trace)}</span>
              <span class="grow" />
              <TraceViews view="thread" onChoose={() => setThread(false)} />
            </div>
            <Thread
              spans={trace.spans}
              onChoose={(span) => {
                setThread(false);
                choose(span);
              }}
            />
          </section>
        )}
        {trace !== undefined && !isThread && (
          <Waterfall
            trace={trace}
            own={own?.span_id}
            chosen={line === undefined ? chosen?.span_id : chosenId}
            onChoose={choose}
            onThread={trace.spans.some(({ type }) => type === 'request') ? () => setThread(true) : undefined}
          />
        )}
        {trace === undefined && read?.error !== undefined && missing === false && (
          <Failed error={read.error} />
        )}
        {isThread ? null : line !== undefined ? (
          <LineDetails key={line.place} line={line} onBack={back} />
        ) : isOther ? (
          isOfRequest(chosen) ? (
            <OtherRequest
              key={chosen.place}
              span={chosen}
              isSame={chosen.request_id === own?.request_id}
              onBack={back}
            />
          ) : (
            <SpanAttributes key={chosen.span_id} traceId={id} span={chosen} onBack={back} />
          )
        ) : details === undefined ? (
          missing
        ) : (
          <BodyViews details={details} />
        )}
      </div>
      {details !== undefined && <Side details={details} live={live} spans={trace?.spans ?? []} />}
    </>
  );
};

const Side = ({
  details,
  live,
  spans,
}: {
  readonly details: RequestJson;
  readonly spans: readonly FlatSpanJson[];
  readonly live: Live<RequestJson>;
}): JSX.Element => {
  const annotations = useAnnotations(details.log.request_id ?? details.place, details, live);
  return (
    <aside class="sd" aria-label="Scores and facts">
      {details.task !== null ? (
        <TaskSide task={details.task} />
      ) : (
        <PastTask details={details} spans={spans} />
      )}
      <Scores annotations={annotations} />
      <Feedback annotations={annotations} />
      <Tags annotations={annotations} />
      {details.usage !== null && <Tokens usage={details.usage} attributes={details.log.attributes} />}
      <Metadata details={details} />
      <Attributes log={details.log} />
    </aside>
  );
};
