// OTLP client of one destination: sends encoded requests, and reads the response.
// Invariant: every attempt is counted by its status, and no returned text holds a header value.
import { spanId } from '../../core/request-id.ts';
import { CONTENT_TYPES } from '../../protocol/otlp/codec.ts';
import { Transport } from '../../protocol/http/transport.ts';
import { headersOf, scrub, type DestinationSettings } from './destination.ts';
import { testLine, testSpans, type ExportOrigin } from './otlp-logs.ts';
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

export class OtlpClient {
  readonly #destination: DestinationSettings;
  readonly #sender: ExportOrigin;
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  /** Attempts by HTTP status; `none`: no response. */
  readonly #requests: Map<string, number>;

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
    return { status, result: clean };
  }
}
