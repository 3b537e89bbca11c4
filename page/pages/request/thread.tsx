// The thread view of a trace: what was said in it, in order, without the spans that carried it.
// Invariant: a few requests are read at a time; each is read once.
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import type { FlatSpanJson } from '../../../src/control/admin/records/trace-json.ts';
import { get } from '../../api/client.ts';
import { duration, text, visibleLine } from '../../formats.ts';
import { Chat } from '../../parts/chat.tsx';
import { MAX_REQUESTS, threadItems, threadSpans, type ThreadItem } from './thread-items.ts';
import { factsText } from './waterfall-rows.ts';

/** Requests that are read at the same time. */
const AT_ONCE = 4;

export const Thread = ({
  spans,
  onChoose,
}: {
  readonly spans: readonly FlatSpanJson[];
  readonly onChoose: (spanId: string) => void;
}): JSX.Element => {
  const [read, setRead] = useState<ReadonlyMap<string, RequestJson>>(new Map());
  const shown = useMemo(() => threadSpans(spans), [spans]);
  const places = shown.filter(({ type }) => type === 'request').map(({ place }) => place);
  const key = places.join(' ');
  useEffect(() => {
    const stop = new AbortController();
    const left = places.filter((place) => !read.has(place));
    const next = async (): Promise<void> => {
      for (let place = left.shift(); place !== undefined; place = left.shift()) {
        const own = place;
        const answer = await get<RequestJson>(`/v1/logs/${encodeURIComponent(own)}`, {
          query: { with: 'details' },
          signal: stop.signal,
        });
        if (stop.signal.aborted) return;
        if (answer.ok) setRead((before) => new Map(before).set(own, answer.value));
      }
    };
    for (let i = 0; i < AT_ONCE; i++) void next();
    return () => stop.abort();
  }, [key]);
  const items = useMemo(() => threadItems(shown, read), [shown, read]);
  const requests = spans.filter(({ type }) => type === 'request').length;
  return (
    <div class="thread" tabIndex={0} role="region" aria-label="Thread">
      {items.map((item) => (
        <Item key={item.span.span_id} item={item} onChoose={() => onChoose(item.span.span_id)} />
      ))}
      {requests > MAX_REQUESTS && (
        <p class="wnote">
          The first {MAX_REQUESTS} of {requests} requests.
        </p>
      )}
    </div>
  );
};

const Item = ({
  item,
  onChoose,
}: {
  readonly item: ThreadItem;
  readonly onChoose: () => void;
}): JSX.Element => {
  const { span } = item;
  return (
    <section class="thitem">
      <h3>
        <span class="dim num">+{text(duration(span.offset_ms))}</span>
        <button type="button" class="show" onClick={onChoose}>
          {visibleLine(span.name)}
        </button>
        <span class="dim el">
          {visibleLine(factsText(span))} · {text(duration(span.duration_ms))}
        </span>
        {span.error !== undefined && <span class="err el">{visibleLine(span.error)}</span>}
      </h3>
      {item.kind === 'request' && (
        <>
          {item.messages.length > 0 && <Chat messages={item.messages} />}
          {item.isRead && item.messages.length === 0 && (
            <p class="cvnote">Nothing new was said, or it was not kept.</p>
          )}
          {item.scores.length > 0 && (
            <p class="cvnote num">
              {item.scores.map(({ name, value }) => `${visibleLine(name)} ${value.toFixed(2)}`).join(' · ')}
            </p>
          )}
        </>
      )}
    </section>
  );
};
