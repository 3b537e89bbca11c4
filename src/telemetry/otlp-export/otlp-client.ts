// OTLP client of one destination: sends encoded requests, and reads the response.
// Invariant: every attempt is counted by its status, and no returned text holds a header value.
import { spanId } from '../../core/request-id.ts';
import { CONTENT_TYPES, encodingOf } from '../../protocol/otlp/codec.ts';
import { Transport, type ReceiverResponse } from '../../protocol/http/transport.ts';
import { headersOf, scrub, type DestinationSettings } from './destination.ts';
import { testLine, testSpans, type ExportOrigin } from './otlp-logs.ts';
import type { ReceivedResponse } from './exporter-state.ts';
import { RequestEncoder } from './request-encoder.ts';
import { exportResult, type ExportResult } from './delivery-result.ts';

/** Result of a test record. */
export interface TestResult {
  readonly ok: boolean;
  /** HTTP status. 0: no response. */
  readonly status: number;
  /** Text of the receiver, or why there was no response. May be empty. */
  readonly message: string;
  readonly duration_ms: number;
}

/** docs/contracts/logs.md 3 */
const MAX_RESPONSE_BYTES = 4 * 1024 ** 2;
/** Of a body, what is kept of it, and what of it is searched for header values, so that none is kept in part. */
const KEPT_BYTES = 1024;
const SEARCHED_BYTES = 16 * KEPT_BYTES;

export class OtlpClient {
  readonly #destination: DestinationSettings;
  readonly #sender: ExportOrigin;
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  /** Attempts by HTTP status; `none`: no response. */
  readonly #requests: Map<string, number>;
  #last: ReceivedResponse | null = null;

  constructor(
    destination: DestinationSettings,
    sender: ExportOrigin,
    requests: Map<string, number>,
    timeoutMs: number,
  ) {
    this.#destination = destination;
    this.#sender = sender;
    this.#requests = requests;
    this.#transport = new Transport(destination.endpoint_url, timeoutMs, MAX_RESPONSE_BYTES);
    this.#headers = {
      'User-Agent': `weir/${sender.version}`,
      ...headersOf(destination),
      'Content-Type': CONTENT_TYPES[destination.encoding],
      ...(destination.compression === 'gzip' && { 'Content-Encoding': 'gzip' }),
    };
  }

  /** Sends a request once. `count`: number of its records. */
  async send(request: Uint8Array, count: number, signal: AbortSignal): Promise<ExportResult> {
    return (await this.#post(request, count, signal)).result;
  }

  /** Sends one test record. */
  async test(nowMs: number, deployment: string): Promise<TestResult> {
    const nowNs = BigInt(Math.round(nowMs)) * 1_000_000n;
    const ids = { traceId: spanId() + spanId(), spanId: spanId() };
    const resourceSpans = testSpans(nowNs, this.#destination, ids);
    const encoder = new RequestEncoder(this.#destination, this.#sender, () => resourceSpans);
    const body = encoder.encode([testLine(nowNs, deployment)]);
    const startedMs = performance.now();
    const { status, result } = await this.#post(body!, 1, new AbortController().signal);
    return {
      ok: result.kind === 'accepted' && result.rejected === 0,
      status,
      message: result.kind === 'accepted' ? result.note : result.problem,
      duration_ms: Math.round(performance.now() - startedMs),
    };
  }

  /** The last response, also to a test record; `null`: none yet. */
  get lastResponse(): ReceivedResponse | null {
    return this.#last;
  }

  close(): void {
    this.#transport.close();
  }

  async #post(
    request: Uint8Array,
    count: number,
    signal: AbortSignal,
  ): Promise<{ status: number; result: ExportResult }> {
    const response = await this.#transport.post(this.#headers, request, signal);
    const status = 'status' in response ? response.status : 0;
    if (!signal.aborted) {
      const code = status === 0 ? 'none' : String(status);
      this.#requests.set(code, (this.#requests.get(code) ?? 0) + 1);
    }
    const result = exportResult(
      response,
      this.#destination.signal,
      this.#destination.encoding,
      count,
      Date.now(),
    );
    const clean =
      result.kind === 'accepted'
        ? { ...result, note: scrub(result.note, this.#destination) }
        : { ...result, problem: scrub(result.problem, this.#destination) };
    if ('status' in response) this.#keep(response, clean.kind === 'accepted' ? clean.note : clean.problem);
    return { status, result: clean };
  }

  /** `said`: what a body says that is no text. */
  #keep({ status, headers, body }: ReceiverResponse, said: string): void {
    const isBinary = encodingOf(headers['content-type']) === 'protobuf';
    const text = isBinary ? said : scrub(body.toString('utf8', 0, SEARCHED_BYTES), this.#destination);
    // A character that is cut off becomes a replacement character, which takes more bytes.
    const kept = Buffer.from(text)
      .toString('utf8', 0, KEPT_BYTES)
      .replace(/\uFFFD+$/, '');
    this.#last = { status, text: kept, at: new Date().toISOString() };
  }
}
