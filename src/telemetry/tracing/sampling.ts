// Which traces are sampled. Must stay true: the same trace id and ratio give the same answer in every process, and a
// trace that a smaller ratio takes is taken by every larger one. Hot path: one number per request.
// Source: W3C Trace Context level 2, 3.2.2.3.1 (the rightmost 7 bytes of an id are random), and OpenTelemetry's
// "Probability sampling": taken where these, as a number, reach the threshold.

/** Decides for a trace; `parent`: what its caller decided, if there is one. */
export type RatioSampler = (traceId: string, parent: boolean | undefined) => boolean;

/** Of the 56 random bits the upper 52: as many as a number holds exactly. */
const FIRST = 18;
const DIGITS = 13;
const RANGE = 16 ** DIGITS;

/** Takes `ratio` (0 to 1) of the traces, and with `followsParent` those that the caller takes, and no others of his. */
export function ratioSampler(ratio: number, followsParent: boolean): RatioSampler {
  const threshold = Math.round((1 - ratio) * RANGE);
  return (traceId, parent) =>
    followsParent && parent !== undefined
      ? parent
      : parseInt(traceId.slice(FIRST, FIRST + DIGITS), 16) >= threshold;
}
