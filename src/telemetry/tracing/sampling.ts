// Decides which traces are sampled. Hot path: parses one number per request.
// Invariant: a trace id and a ratio give the same decision in every process, and a larger ratio samples all traces of a
// smaller one.
// Sources: W3C Trace Context level 2, 3.2.2.3.1 (the rightmost 7 bytes of a trace id are random); OpenTelemetry,
// probability sampling (a trace is sampled if these bytes, as a number, reach the threshold).

/** Decides for one trace. `parent`: the decision of the client; `undefined` if there is none. */
export type RatioSampler = (traceId: string, parent: boolean | undefined) => boolean;

/** Hex digits of the trace id that are used: the upper 52 of its 56 random bits, which a number holds exactly. */
const FIRST_DIGIT = 18;
const DIGITS = 13;
const RANGE = 16 ** DIGITS;

/** Samples `ratio` (0 to 1) of traces. With `followsParent`, the client's decision replaces the ratio. */
export function ratioSampler(ratio: number, followsParent: boolean): RatioSampler {
  const threshold = Math.round((1 - ratio) * RANGE);
  const isAll = threshold === 0;
  return (traceId, parent) =>
    followsParent && parent !== undefined
      ? parent
      : isAll || parseInt(traceId.slice(FIRST_DIGIT, FIRST_DIGIT + DIGITS), 16) >= threshold;
}
