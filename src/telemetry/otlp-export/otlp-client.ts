// Speaks OTLP with one receiver: records in, a verdict out.
// Must stay true: every attempt is counted by its status, and no text that comes back holds a header's value.
import { spanId } from '../../core/request-id.ts';
import type { LogRecord } from '../logs/logs.ts';
import { CONTENT_TYPES, encode } from '../../protocol/otlp/codec.ts';
import { logsRequest, tracesRequest } from '../../protocol/otlp/messages.ts';
import { packed } from './batch.ts';
import { headersOf, scrub, type DestinationInput } from './destination.ts';
import { logsOf, probeLine, probeSpans, type ResourceSpans, type ExportOrigin } from './otlp-logs.ts';
import { Transport } from './transport.ts';
import { exportResult, type ExportResult } from './delivery-result.ts';

/** The spans that records stand for, under the service's name. */
export type ProjectSpans = (records: readonly LogRecord[], serviceName: string) => ResourceSpans;

/** What came of a test. */
export interface TestResult {
  readonly ok: boolean;
  /** 0: there was no answer. */
  readonly status: number;
  /** What the receiver said to it; empty: nothing. */
  readonly message: string;
  readonly duration_ms: number;
}

export class OtlpClient {
  readonly #said: DestinationInput;
  readonly #sender: ExportOrigin;
  readonly #spans: ProjectSpans;
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  /** Attempts by status; `none`: without an answer. */
  readonly #requests: Map<string, number>;

  constructor(
    said: DestinationInput,
    sender: ExportOrigin,
    spans: ProjectSpans,
    requests: Map<string, number>,
    timeoutMs: number,
  ) {
    this.#said = said;
    this.#sender = sender;
    this.#spans = spans;
    this.#requests = requests;
    this.#transport = new Transport(said.endpoint_url, timeoutMs);
    this.#headers = {
      'User-Agent': `weir/${sender.version}`,
      ...headersOf(said),
      'Content-Type': CONTENT_TYPES[said.encoding],
      ...(said.compression === 'gzip' && { 'Content-Encoding': 'gzip' }),
    };
  }

  /** The request for these records, to be sent as often as it takes; `undefined`: they have nothing to say. */
  async prepare(records: readonly LogRecord[]): Promise<Buffer | undefined> {
    if (this.#said.signal === 'logs') {
      const logs = logsOf(records, this.#said, this.#sender);
      if (logs.resourceLogs.length === 0) return undefined;
      return this.#pack(encode(this.#said.encoding, logsRequest, logs));
    }
    const resourceSpans = this.#spans(records, this.#said.service_name);
    if (resourceSpans.length === 0) return undefined;
    return this.#pack(encode(this.#said.encoding, tracesRequest, { resourceSpans }));
  }

  /** Sends it once. */
  async send(request: Buffer, count: number, signal: AbortSignal): Promise<ExportResult> {
    return (await this.#post(request, count, signal)).verdict;
  }

  /** Sends one record that says that it is a test. */
  async test(nowMs: number, deployment: string): Promise<TestResult> {
    const nowNs = BigInt(Math.round(nowMs)) * 1_000_000n;
    const ids = { traceId: spanId() + spanId(), spanId: spanId() };
    const resourceSpans = probeSpans(nowNs, this.#said, ids);
    const body =
      this.#said.signal === 'logs'
        ? await this.prepare([probeLine(nowNs, deployment)])
        : await this.#pack(encode(this.#said.encoding, tracesRequest, { resourceSpans }));
    const begunMs = performance.now();
    const { status, verdict } = await this.#post(body!, 1, new AbortController().signal);
    return {
      ok: verdict.is === 'taken' && verdict.rejected === 0,
      status,
      message: verdict.is === 'taken' ? verdict.note : verdict.problem,
      duration_ms: Math.round(performance.now() - begunMs),
    };
  }

  close(): void {
    this.#transport.close();
  }

  #pack(body: Buffer): Promise<Buffer> {
    return packed(body, this.#said.compression);
  }

  async #post(
    request: Buffer,
    count: number,
    signal: AbortSignal,
  ): Promise<{ status: number; verdict: ExportResult }> {
    const answer = await this.#transport.post(this.#headers, request, signal);
    const status = 'status' in answer ? answer.status : 0;
    if (!signal.aborted) {
      const code = status === 0 ? 'none' : String(status);
      this.#requests.set(code, (this.#requests.get(code) ?? 0) + 1);
    }
    const verdict = exportResult(answer, this.#said.signal, this.#said.encoding, count, Date.now());
    const clean =
      verdict.is === 'taken'
        ? { ...verdict, note: scrub(verdict.note, this.#said) }
        : { ...verdict, problem: scrub(verdict.problem, this.#said) };
    return { status, verdict: clean };
  }
}
