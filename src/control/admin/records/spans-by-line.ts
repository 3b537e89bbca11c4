// Finds the span that a log line belongs to.
// Invariant: a line that names a recorded span belongs to that span, whatever its request id.
import type { LogRecord } from '../../../telemetry/logs/logs.ts';
import type { WaterfallSpan } from './waterfall-spans.ts';

const holds = ({ startNs, durationNs }: WaterfallSpan, timeNs: bigint): boolean =>
  timeNs >= startNs && timeNs <= startNs + BigInt(Math.round(durationNs));

export class SpansByLine {
  readonly #ids: ReadonlySet<string>;
  /** The spans of requests by their request ids, each followed by the span of its time at the replica. */
  readonly #requests = new Map<string, WaterfallSpan[]>();

  /** `spans`: each request's span before its children. */
  constructor(spans: readonly WaterfallSpan[]) {
    this.#ids = new Set(spans.map(({ spanId }) => spanId));
    for (const span of spans) {
      if (span.type !== 'request' && span.type !== 'replica') continue;
      const { requestId } = span.record;
      const list = this.#requests.get(requestId);
      if (list) list.push(span);
      else this.#requests.set(requestId, [span]);
    }
  }

  /**
   * Id of the span of a line: the one that the line names; otherwise, of the requests with its request id, the last span
   * that runs at its time, or the first one. `undefined` for a line of none.
   */
  spanOf({ spanId, requestId, timeNs }: LogRecord): string | undefined {
    if (spanId !== '' && this.#ids.has(spanId)) return spanId;
    const spans = requestId === '' ? undefined : this.#requests.get(requestId);
    return (spans?.findLast((span) => holds(span, timeNs)) ?? spans?.[0])?.spanId;
  }
}
