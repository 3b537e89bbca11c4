// OTLP client of one destination: encodes records, sends them, and reads the response.
// Invariant: every attempt is counted by its status, and no returned text holds a header value.
import { spanId } from '../../core/request-id.ts';
import type { LogRecord } from '../logs/logs.ts';
import { CONTENT_TYPES, encode } from '../../protocol/otlp/codec.ts';
import { logsRequest, tracesRequest } from '../../protocol/otlp/messages.ts';
import { compressed } from './batch.ts';
import { headersOf, scrub, type DestinationSettings } from './destination.ts';
import { LogEncoder } from './log-encoder.ts';
import { logsOf, testLine, testSpans, type ResourceSpans, type ExportOrigin } from './otlp-logs.ts';
import { Transport } from './transport.ts';
import { exportResult, type ExportResult } from './delivery-result.ts';

/** Makes the OTLP spans of records, with `service.name`. */
export type ProjectSpans = (records: readonly LogRecord[], serviceName: string) => ResourceSpans;

/** Result of a test record. */
export interface TestResult {
  readonly ok: boolean;
  /** HTTP status. 0: no response. */
  readonly status: number;
  /** Text of the receiver, or why there was no response. May be empty. */
  readonly message: string;
  readonly duration_ms: number;
}

export class OtlpClient {
  readonly #destination: DestinationSettings;
  readonly #sender: ExportOrigin;
  readonly #spans: ProjectSpans;
  /** Made when it is needed, since it loads protobufjs. */
  #logEncoder: LogEncoder | undefined;
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  /** Attempts by HTTP status; `none`: no response. */
  readonly #requests: Map<string, number>;

  constructor(
    destination: DestinationSettings,
    sender: ExportOrigin,
    spans: ProjectSpans,
    requests: Map<string, number>,
    timeoutMs: number,
  ) {
    this.#destination = destination;
    this.#sender = sender;
    this.#spans = spans;
    this.#requests = requests;
    this.#transport = new Transport(destination.endpoint_url, timeoutMs);
    this.#headers = {
      'User-Agent': `weir/${sender.version}`,
      ...headersOf(destination),
      'Content-Type': CONTENT_TYPES[destination.encoding],
      ...(destination.compression === 'gzip' && { 'Content-Encoding': 'gzip' }),
    };
  }

  /** Encodes a request. Returns `undefined` if the records make no log record or span of this destination. */
  async prepare(records: readonly LogRecord[]): Promise<Buffer | undefined> {
    if (this.#destination.signal === 'logs') {
      const body = this.#encodeLogs(records);
      return body && this.#compress(body);
    }
    const resourceSpans = this.#spans(records, this.#destination.service_name);
    if (resourceSpans.length === 0) return undefined;
    return this.#compress(encode(this.#destination.encoding, tracesRequest, { resourceSpans }));
  }

  /** Sends a request once. `count`: number of its records. */
  async send(request: Buffer, count: number, signal: AbortSignal): Promise<ExportResult> {
    return (await this.#post(request, count, signal)).result;
  }

  /** Sends one test record. */
  async test(nowMs: number, deployment: string): Promise<TestResult> {
    const nowNs = BigInt(Math.round(nowMs)) * 1_000_000n;
    const ids = { traceId: spanId() + spanId(), spanId: spanId() };
    const resourceSpans = testSpans(nowNs, this.#destination, ids);
    const body =
      this.#destination.signal === 'logs'
        ? await this.prepare([testLine(nowNs, deployment)])
        : await this.#compress(encode(this.#destination.encoding, tracesRequest, { resourceSpans }));
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

  /** `undefined`: all records have reached the hop limit. */
  #encodeLogs(records: readonly LogRecord[]): Buffer | undefined {
    if (this.#destination.encoding === 'protobuf')
      return (this.#logEncoder ??= new LogEncoder(this.#destination, this.#sender)).encode(records);
    const logs = logsOf(records, this.#destination, this.#sender);
    return logs.resourceLogs.length === 0 ? undefined : encode('json', logsRequest, logs);
  }

  #compress(body: Buffer): Promise<Buffer> {
    return compressed(body, this.#destination.compression);
  }

  async #post(
    request: Buffer,
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
