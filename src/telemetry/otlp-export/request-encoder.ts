// Encodes records as the body of an OTLP request, as a destination wants it: logs or spans, protobuf or JSON, compressed.
// Invariant: nothing here waits, since it runs in the reader thread of the log store.
import { gzipSync } from 'node:zlib';
import type { LogRecord } from '../logs/logs.ts';
import { encode } from '../../protocol/otlp/codec.ts';
import { logsRequest, tracesRequest } from '../../protocol/otlp/messages.ts';
import type { DestinationSettings } from './destination.ts';
import { LogEncoder } from './log-encoder.ts';
import { logsOf, type ExportOrigin, type ResourceSpans } from './otlp-logs.ts';

/** Makes the OTLP spans of records, with `service.name`. */
export type ProjectSpans = (records: readonly LogRecord[], serviceName: string) => ResourceSpans;

/** What of a destination decides how a request is encoded. It holds no secret. */
export type RequestSettings = Pick<
  DestinationSettings,
  'signal' | 'encoding' | 'compression' | 'attributes' | 'service_name'
>;

/** The fastest one. Bodies are about a tenth larger than with the usual level, which takes three times as long. */
const GZIP_LEVEL = 1;

export class RequestEncoder {
  readonly #settings: RequestSettings;
  readonly #origin: ExportOrigin;
  readonly #spans: ProjectSpans;
  /** Made when it is needed, since it loads protobufjs. */
  #logs: LogEncoder | undefined;

  constructor(settings: RequestSettings, origin: ExportOrigin, spans: ProjectSpans) {
    this.#settings = settings;
    this.#origin = origin;
    this.#spans = spans;
  }

  /** Encodes a request. Returns `undefined` if the records make no log record or span of this destination. */
  encode(records: readonly LogRecord[]): Uint8Array<ArrayBuffer> | undefined {
    const body = this.#settings.signal === 'logs' ? this.#logsBody(records) : this.#spansBody(records);
    return body && this.compressed(body);
  }

  /** The body as it is sent. It has a buffer of its own, which is what a message to another thread copies. */
  compressed(body: Uint8Array): Uint8Array<ArrayBuffer> {
    return new Uint8Array(
      this.#settings.compression === 'gzip' ? gzipSync(body, { level: GZIP_LEVEL }) : body,
    );
  }

  /** `undefined`: all records have reached the hop limit. */
  #logsBody(records: readonly LogRecord[]): Uint8Array | undefined {
    if (this.#settings.encoding === 'protobuf')
      return (this.#logs ??= new LogEncoder(this.#settings, this.#origin)).encode(records);
    const logs = logsOf(records, this.#settings, this.#origin);
    return logs.resourceLogs.length === 0 ? undefined : encode('json', logsRequest, logs);
  }

  #spansBody(records: readonly LogRecord[]): Uint8Array | undefined {
    const { service_name: name, encoding } = this.#settings;
    const resourceSpans = this.#spans(records, name);
    return resourceSpans.length === 0 ? undefined : encode(encoding, tracesRequest, { resourceSpans });
  }
}
