// Encodes records as the protobuf body of an OTLP request for logs, without making its messages first.
// Invariant: the body is that of the messages that `logsOf` makes (otlp-logs.ts), which JSON is made from.
import { severityText, type LogRecord, type RecordWriter } from '../logs/logs.ts';
import { AttributeName, LogWriter } from '../../protocol/otlp/log-writer.ts';
import { logsRequest } from '../../protocol/otlp/messages.ts';
import { delimited, writeProtobuf } from '../../protocol/otlp/protobuf.ts';
import type { DestinationSettings } from './destination.ts';
import { hopOf } from './hop-count.ts';
import {
  resourceLogsOf,
  scopeLogsOf,
  SentAttributes,
  sentName,
  sentSeverity,
  writerOf,
  type ExportOrigin,
  type SentName,
} from './otlp-logs.ts';

/** Attributes with a value of its own in almost every record. The others are kept encoded. */
const UNIQUE: ReadonlySet<string> = new Set(['request_id', 'message']);
/** Values above this length are not kept. */
const MAX_KEPT_LENGTH = 128;

/** A named attribute of a destination. */
interface NamedAttribute {
  readonly sent: SentName;
  readonly encoded: AttributeName;
  readonly isUnique: boolean;
}

/** Log records of one pod and model. */
interface EncodedGroup {
  readonly writer: RecordWriter;
  readonly byHop: Map<number, LogWriter>;
}

type LogSettings = Pick<DestinationSettings, 'attributes' | 'service_name'>;

/** Size of the first buffer. */
const FIRST_BYTES = 16 * 1024;

const RESOURCE = logsRequest.resourceLogs;
const SCOPE_LOGS = RESOURCE[1].fields.scopeLogs;

export class LogEncoder {
  readonly #destination: LogSettings;
  readonly #origin: ExportOrigin;
  readonly #names: readonly NamedAttribute[];
  /** Size of the largest buffer that was needed. */
  #bytes = FIRST_BYTES;

  constructor(destination: LogSettings, origin: ExportOrigin) {
    this.#destination = destination;
    this.#origin = origin;
    this.#names = [...new Set(destination.attributes)].map((name) => ({
      sent: sentName(name),
      encoded: new AttributeName(name),
      isUnique: UNIQUE.has(name),
    }));
  }

  /** One request with the records in order; `undefined` if all of them have reached the hop limit. */
  encode(records: readonly LogRecord[]): Buffer | undefined {
    const own = this.#origin.own();
    const groups = new Map<string, EncodedGroup>();
    for (const record of records) {
      const hop = hopOf(record);
      if (hop === undefined) continue;
      const writer = writerOf(record, own);
      const key = `${writer.pod}\n${writer.modelId}`;
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { writer, byHop: new Map() }));
      let logs = group.byHop.get(hop);
      if (logs === undefined) group.byHop.set(hop, (logs = new LogWriter(this.#bytes)));
      this.#write(logs, record, writer);
    }
    if (groups.size === 0) return undefined;
    return Buffer.concat(
      Array.from(groups.values(), (group) => delimited(RESOURCE[0], this.#resourceLogs(group))).flat(),
    );
  }

  #write(logs: LogWriter, record: LogRecord, writer: RecordWriter): void {
    const severity = sentSeverity(record);
    const values = new SentAttributes(record, writer);
    logs.begin(record.timeNs);
    logs.severity(severity, severityText(severity));
    logs.body(record.message);
    for (const { sent, encoded, isUnique } of this.#names) {
      const value = values.value(sent);
      if (value === '' || value === null) continue;
      if (sent.name === 'message') logs.bodyAttribute(encoded);
      else if (typeof value === 'string' && value.length <= MAX_KEPT_LENGTH && !isUnique)
        logs.repeatedAttribute(encoded, value);
      else logs.attribute(encoded, value);
    }
    logs.end(record.traceId, record.spanId);
  }

  #resourceLogs({ writer, byHop }: EncodedGroup): Uint8Array[] {
    const { version } = this.#origin;
    for (const logs of byHop.values()) this.#bytes = Math.max(this.#bytes, logs.capacity);
    const resource = resourceLogsOf({ writer, byHop: new Map() }, this.#destination, version);
    return [
      writeProtobuf(RESOURCE[1].fields, resource),
      ...Array.from(byHop, ([hop, logs]) =>
        delimited(SCOPE_LOGS[0], [
          writeProtobuf(SCOPE_LOGS[1].fields, scopeLogsOf(hop, version, [])),
          logs.written,
        ]),
      ).flat(),
    ];
  }
}
