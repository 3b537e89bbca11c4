// What a language model did for one request, as its request and response say: model, tokens, times of tokens, end.
// Invariant: every figure is in the bodies or is a sum of figures in them; what is not known is UNKNOWN, never 0.

/** Value of a count that is not known. */
export const UNKNOWN = -1;

/** Buckets of the time between two tokens: four for each doubling from 1 ms to 2,048 ms, one below, one above. */
export const GAP_BUCKETS = 46;
const GAPS_PER_DOUBLING = 4;

/** The upper bound of a bucket in milliseconds; of the last one Infinity. */
export const gapBound = (bucket: number): number =>
  bucket >= GAP_BUCKETS - 1 ? Infinity : 2 ** (bucket / GAPS_PER_DOUBLING);

const bucketOf = (ms: number): number =>
  ms <= 1 ? 0 : Math.min(GAP_BUCKETS - 1, Math.ceil(GAPS_PER_DOUBLING * Math.log2(ms)));

/** An error that a stream reports although its status means success. Texts are empty if it has none. */
export interface StreamError {
  readonly message: string;
  /** Type or code as the server names it. */
  readonly type: string;
}

/** What tokens of a model cost, per million tokens, in the currency of the price table. */
export interface TokenPrice {
  readonly input: number;
  readonly output: number;
  /** Input tokens that were read from a cache. */
  readonly cached: number;
  /** Output tokens for reasoning. */
  readonly reasoning: number;
  /** Such as USD. */
  readonly currency: string;
}

export class LlmFacts {
  /** Model that the request names, and the one that the response names; empty: not known. */
  model = '';
  responseModel = '';
  responseId = '';
  /** Finish reason of the first choice; of Anthropic's API the stop reason; empty: not known. */
  finishReason = '';
  /** All input tokens, with cached ones. */
  inputTokens = UNKNOWN;
  outputTokens = UNKNOWN;
  /** Input and output. */
  totalTokens = UNKNOWN;
  /** Part of the input that was read from a cache. */
  cachedTokens = UNKNOWN;
  /** Part of the output. */
  reasoningTokens = UNKNOWN;
  /** The response is a stream of events. */
  isStream = false;
  /** The stream has said that it is complete. */
  isFinished = false;
  error: StreamError | undefined = undefined;
  /** Events with content, reasoning or a tool call. */
  contentEvents = 0;
  /** performance.now() when the first and the last of them came; 0: none came, or not known. */
  firstTokenMs = 0;
  lastTokenMs = 0;
  /** Counts of the times between them, by bucket; undefined if there were fewer than two. */
  gaps: Uint32Array | undefined = undefined;
  /** The price that held when the request ended; undefined: none is known. */
  price: TokenPrice | undefined = undefined;
  /** In the currency of the price; NaN: not known. */
  cost = NaN;

  /** Another event with content came. `nowMs`: performance.now(); 0 if it is not known. */
  tokenCame(nowMs: number): void {
    if (this.contentEvents++ === 0) this.firstTokenMs = nowMs;
    else if (nowMs !== 0) (this.gaps ??= new Uint32Array(GAP_BUCKETS))[bucketOf(nowMs - this.lastTokenMs)]!++;
    this.lastTokenMs = nowMs;
  }

  /** The name of the model for labels and prices: what the request names, else what the response names. */
  get modelName(): string {
    return this.model === '' ? this.responseModel : this.model;
  }

  /** Output tokens, or without them the events with content of a stream, as an estimate; UNKNOWN without both. */
  get outputCount(): number {
    if (this.outputTokens !== UNKNOWN) return this.outputTokens;
    return this.isStream && this.contentEvents > 0 ? this.contentEvents : UNKNOWN;
  }

  /** `outputCount` is an estimate. */
  get isEstimate(): boolean {
    return this.outputTokens === UNKNOWN && this.isStream && this.contentEvents > 0;
  }

  /** Mean time between two events with content, in milliseconds; NaN if there were fewer than two. */
  get meanGapMs(): number {
    return this.contentEvents < 2 || this.firstTokenMs === 0
      ? NaN
      : (this.lastTokenMs - this.firstTokenMs) / (this.contentEvents - 1);
  }

  /** Time per output token after the first one, in milliseconds; NaN if it is not known. */
  get msPerToken(): number {
    const count = this.outputCount;
    return Number.isNaN(this.meanGapMs) || count < 2
      ? NaN
      : (this.lastTokenMs - this.firstTokenMs) / (count - 1);
  }

  /**
   * Output tokens per second; NaN if not known. Of a stream: those after the first one, in the time from the first to the
   * last event with content. Otherwise: all of them, in the time from `leasedMs`, when a replica was reserved, to `endMs`.
   */
  tokensPerSecond(leasedMs: number, endMs: number): number {
    if (this.isStream) return 1000 / this.msPerToken;
    const ms = endMs - leasedMs;
    return this.outputTokens > 0 && leasedMs !== 0 && ms > 0 ? (this.outputTokens / ms) * 1000 : NaN;
  }

  /** Percentile of the times between events with content, in milliseconds, exact to a bucket; NaN without any. */
  gapMs(part: number): number {
    const { gaps } = this;
    if (gaps === undefined) return NaN;
    const rank = part * (this.contentEvents - 1);
    let below = 0;
    let bucket = 0;
    while (bucket < GAP_BUCKETS - 1 && (gaps[bucket] === 0 || below + gaps[bucket]! < rank))
      below += gaps[bucket++]!;
    const from = bucket === 0 ? 0 : gapBound(bucket - 1);
    const to = bucket === GAP_BUCKETS - 1 ? 2 * from : gapBound(bucket);
    return from + ((to - from) * (rank - below)) / Math.max(1, gaps[bucket]!);
  }
}

/** Gives the facts of an exchange at its end. */
export interface LlmSource {
  /**
   * The exchange ends. `isWhole`: its response is complete. Returns what the bodies say, once; undefined if they are not
   * those of a language model.
   */
  end(isWhole: boolean): LlmFacts | undefined;
}

/** Decides whose bodies are followed. */
export interface LlmPolicy {
  /** True if bodies of requests to this target are to be followed. */
  wants(target: string): boolean;
}
