// A page of the log store: decodes its parts when they are needed, and makes records of its rows.
// Invariant: a row gives the record that was encoded (encode-page.ts).
import { derivedSpanId, derivedTraceId } from '../../../core/exchange/identity.ts';
import type { LogRecord } from '../log-record.ts';
import { AttributeColumns, type AttributeNames } from './attribute-columns.ts';
import { AttributeValues } from './attribute-values.ts';
import { PART } from './encode-page.ts';
import { LlmColumns } from './llm-columns.ts';
import type { PageMembers } from './member-column.ts';
import type { NativeNumbers, NumberRange } from './native-number.ts';
import {
  decodeIndexes,
  decodeNumbers,
  encodedLength,
  numberAt,
  undeltas,
  unzigzag,
  type ColumnMemory,
} from './number-column.ts';
import { OwnIds } from './own-ids.ts';
import { decodeHeader } from './page-header.ts';
import { HAS, nativeAttributes, nativeMessage, type EncodedShapes, type Shape } from './shape.ts';
import { TextColumn } from './text-column.ts';

/** Reads a part by its index in PART. Empty if the page has none of it. */
export type ReadPart = (part: number) => Uint8Array;

/** Reverses `nearness`. */
const near = (encoded: number, other: number): number => (encoded === 0 ? 0 : other - unzigzag(encoded - 1));

const microseconds = (ns: number): number => Math.round(ns / 1000);

interface Names {
  readonly requestIds: TextColumn;
  readonly traces: TextColumn;
  readonly spans: TextColumn;
  readonly parents: TextColumn;
}

/** Records that are made before whole columns are decoded for them. */
const FEW_RECORDS = 16;

export class Page {
  readonly firstSeq: number;
  readonly rows: number;
  readonly encodedShapes: EncodedShapes;
  /** Other pages have the same objects as shapes. */
  readonly hasSharedShapes: boolean;
  readonly attributeNames: AttributeNames | undefined;
  /** Members of the attributes as columns; `undefined`: there are none. */
  members: PageMembers | undefined;
  readonly #read: ReadPart;
  readonly #shared: (shape: Shape) => Shape;
  readonly #memory: ColumnMemory | undefined;
  readonly #ranks = new Map<number, Uint32Array>();
  /** Of native shapes, once they were made: messages, and parts of the attributes. */
  readonly #nativeMessages: (string | undefined)[] = [];
  readonly #nativeAttributes: (readonly [before: string, after: string] | undefined)[] = [];
  readonly #values = new Map<string, AttributeValues>();
  readonly #ranges = new Map<string, NumberRange>();
  readonly #main: Uint8Array;
  readonly #baseMs: number;
  /** Where the columns of times, shapes, durations and first bytes begin in the main part. */
  readonly #columns: readonly number[];
  #shapes: readonly Shape[] | undefined;
  #timeMs: Float64Array | undefined;
  #shape: Uint8Array | Uint16Array | undefined;
  #durationNs: Float64Array | undefined;
  #firstByte: Float64Array | undefined;
  #numbers: NativeNumbers | undefined;
  #numberBytes: Uint8Array | undefined;
  /** Number of native records that were made. */
  #records = 0;
  /** Columns that all rows have, and columns that any row has: sums of HAS. */
  #common: readonly [every: number, some: number] | undefined;
  #restNs: Float64Array | undefined;
  #ownIds: OwnIds | undefined;
  #names: Names | undefined;
  #messages: TextColumn | undefined;
  #attributes: AttributeColumns | undefined;
  #llm: LlmColumns | undefined;

  /**
   * `shared`: the shape that is used instead of a decoded one, which is equal. `memory`: for times and durations, which
   * have a meaning until it is used again.
   */
  constructor(firstSeq: number, read: ReadPart, shared?: (shape: Shape) => Shape, memory?: ColumnMemory) {
    this.firstSeq = firstSeq;
    this.hasSharedShapes = shared !== undefined;
    this.#read = read;
    this.#shared = shared ?? ((shape) => shape);
    this.#memory = memory;
    const main = read(PART.main);
    const buffer = Buffer.from(main.buffer, main.byteOffset, main.length);
    let at = 4 + buffer.readUInt32LE(0);
    const { rows, baseMs, shapes, attributes } = decodeHeader(buffer.subarray(4, at));
    this.rows = rows;
    this.encodedShapes = shapes;
    this.attributeNames = attributes;
    this.#main = main;
    this.#baseMs = baseMs;
    this.#columns = [0, 1, 2, 3].map((i) => {
      const start = at;
      if (i < 3) at += encodedLength(main, at, rows);
      return start;
    });
  }

  get shapes(): readonly Shape[] {
    return (this.#shapes ??= Array.from({ length: this.encodedShapes.count }, (_, i) =>
      this.#shared(this.encodedShapes.shape(i)),
    ));
  }

  get timeMs(): Float64Array {
    return (this.#timeMs ??= undeltas(this.#decode(0), this.#baseMs));
  }

  /** Index in `shapes`, by row. */
  get shape(): Uint8Array | Uint16Array {
    return (this.#shape ??= decodeIndexes(this.#main, this.#columns[1]!, this.rows));
  }

  get durationNs(): Float64Array {
    return (this.#durationNs ??= this.#decode(2));
  }

  /** For each row the number of rows before it that have a column. One more at the end: of all rows. */
  ranksOf(column: number): Uint32Array {
    let ranks = this.#ranks.get(column);
    if (ranks === undefined) {
      const { encodedShapes: shapes } = this;
      const has = Array.from({ length: shapes.count }, (_, i) => ((shapes.has(i) & column) === 0 ? 0 : 1));
      ranks = new Uint32Array(this.rows + 1);
      const { shape } = this;
      let rank = 0;
      for (let row = 0; row < shape.length; row++) {
        ranks[row] = rank;
        rank += has[shape[row]!]!;
      }
      ranks[this.rows] = rank;
      this.#ranks.set(column, ranks);
    }
    return ranks;
  }

  /** True if a row was replaced before the page was encoded. */
  get hasReplaced(): boolean {
    this.#common ??= this.encodedShapes.commonOf();
    return (this.#common[1] & HAS.replaced) !== 0;
  }

  /** Number of rows that have a column. */
  countOf(column: number): number {
    return this.rankOf(column, this.rows);
  }

  /** The number of rows before a row that have a column. In most pages all rows have it, or none has. */
  rankOf(column: number, row: number): number {
    this.#common ??= this.encodedShapes.commonOf();
    const [every, some] = this.#common;
    return (every & column) !== 0 ? row : (some & column) === 0 ? 0 : this.ranksOf(column)[row]!;
  }

  /** The bounds of a column, which are made once by `make`. */
  rangeOf(name: string, make: (page: Page) => NumberRange): NumberRange {
    let range = this.#ranges.get(name);
    if (range === undefined) this.#ranges.set(name, (range = make(this)));
    return range;
  }

  shapeOf(row: number): Shape {
    return this.shapes[this.shape[row]!]!;
  }

  /** The message of all records of a shape; `undefined` if each has its own. */
  messageOf(shape: number): string | undefined {
    const { has, native, status } = this.shapes[shape]!;
    if (native !== undefined) return (this.#nativeMessages[shape] ??= nativeMessage(native, status));
    return (has & HAS.message) === 0 ? '' : undefined;
  }

  timeNs(row: number): bigint {
    const ns = BigInt(this.timeMs[row]!) * 1_000_000n;
    return (this.shapeOf(row).has & HAS.nanoseconds) === 0 ? ns : ns + BigInt(this.restNs(row));
  }

  /** Nanoseconds of the time after the milliseconds. */
  restNs(row: number): number {
    if ((this.shapeOf(row).has & HAS.nanoseconds) === 0) return 0;
    this.#restNs ??= decodeNumbers(this.#numbersPart, 0, this.countOf(HAS.nanoseconds));
    return this.#restNs[this.rankOf(HAS.nanoseconds, row)]!;
  }

  requestId(row: number): string {
    const { has } = this.shapeOf(row);
    if ((has & HAS.ownId) !== 0) return this.#ownId(row);
    return this.#name(row, HAS.requestId, 'requestIds');
  }

  traceId(row: number): string {
    const { has } = this.shapeOf(row);
    // The digits of an own id that derivedTraceId takes.
    if ((has & HAS.ownTrace) !== 0 && (has & HAS.ownId) !== 0) return this.#ownId(row).slice(5);
    if ((has & HAS.ownTrace) !== 0) return derivedTraceId(this.requestId(row)) ?? '';
    return this.#name(row, HAS.trace, 'traces');
  }

  /** Columns of native records, by their rank among the native rows. Times in microseconds, plus 1; 0: never. */
  get numbers(): NativeNumbers {
    if (this.#numbers !== undefined) return this.#numbers;
    const bytes = this.#numbersPart;
    const count = this.countOf(HAS.native);
    let at = encodedLength(bytes, 0, this.countOf(HAS.nanoseconds));
    const column = (): Float64Array => {
      const values = decodeNumbers(bytes, at, count);
      at += encodedLength(bytes, at, count);
      return values;
    };
    const head = column();
    const firstByte = this.firstByte;
    for (let i = 0; i < count; i++) head[i] = near(head[i]!, firstByte[i]!);
    const [requestBytes, responseBytes, leased] = [column(), column(), column()];
    const [connected, waited, queued] = [column(), column(), column()];
    this.#numbers = { firstByte, head, requestBytes, responseBytes, leased, connected, waited, queued };
    return this.#numbers;
  }

  /** What language models did, by rank of the rows that have that. */
  get llm(): LlmColumns {
    return (this.#llm ??= new LlmColumns(this.#read(PART.llm), this.countOf(HAS.llm)));
  }

  /** Time to the first byte of native records, by their rank: microseconds, plus 1; 0: never. */
  get firstByte(): Float64Array {
    return (this.#firstByte ??= this.#decodeFirstBytes());
  }

  get names(): Names {
    if (this.#names !== undefined) return this.#names;
    const bytes = this.#read(PART.names);
    const requestIds = new TextColumn(bytes, 0, this.countOf(HAS.requestId));
    const traces = new TextColumn(bytes, requestIds.end, this.countOf(HAS.trace));
    const spans = new TextColumn(bytes, traces.end, this.countOf(HAS.span));
    const parents = new TextColumn(bytes, spans.end, this.countOf(HAS.parent));
    return (this.#names = { requestIds, traces, spans, parents });
  }

  /** Messages of the rows that have one of their own, by rank. */
  get messages(): TextColumn {
    return (this.#messages ??= new TextColumn(this.#read(PART.messages), 0, this.countOf(HAS.message)));
  }

  /** Attributes of the rows that have some, by rank. */
  get attributes(): AttributeColumns {
    return (this.#attributes ??= new AttributeColumns(
      this.#read(PART.attributes),
      this.countOf(HAS.attributes),
    ));
  }

  /** The values of an attribute with a column of its own. */
  attributeValues(name: string): AttributeValues {
    let values = this.#values.get(name);
    if (values === undefined)
      this.#values.set(name, (values = new AttributeValues(this.attributes.values(name)!)));
    return values;
  }

  /** The own request ids, by rank. */
  get ownIds(): OwnIds {
    return (this.#ownIds ??= new OwnIds(this.#read(PART.ownIds), this.countOf(HAS.ownId)));
  }

  record(row: number): LogRecord {
    const shape = this.shapeOf(row);
    const { has, kind, severity, status, deployment, environment, replica, source, pod, modelId } = shape;
    const requestId = this.requestId(row);
    return {
      seq: this.firstSeq + row,
      kind,
      timeNs: this.timeNs(row),
      severity,
      message: this.messageOf(this.shape[row]!) ?? this.messages.at(this.rankOf(HAS.message, row)),
      requestId,
      traceId:
        (has & HAS.ownTrace) === 0 ? this.#name(row, HAS.trace, 'traces') : (derivedTraceId(requestId) ?? ''),
      spanId:
        (has & HAS.ownSpan) === 0 ? this.#name(row, HAS.span, 'spans') : (derivedSpanId(requestId) ?? ''),
      parentSpanId: this.#name(row, HAS.parent, 'parents'),
      deployment,
      environment,
      replica,
      source,
      pod,
      modelId,
      status,
      durationNs: this.#durationOf(row),
      attributes: this.#attributesOf(row),
    };
  }

  /** The id of a row in one of the columns of ids; empty if it has none. */
  #name(row: number, column: number, texts: keyof Names): string {
    return (this.shapeOf(row).has & column) === 0 ? '' : this.names[texts].at(this.rankOf(column, row));
  }

  #attributesOf(row: number): string {
    const { has, native: facts } = this.shapeOf(row);
    const rank = (has & HAS.attributes) === 0 ? -1 : this.rankOf(HAS.attributes, row);
    if ((has & HAS.native) === 0) return rank === -1 ? '' : this.attributes.text(rank);
    const others = rank === -1 ? '' : this.attributes.members(rank);
    const [before, after] = (this.#nativeAttributes[this.shape[row]!] ??= nativeAttributes(facts!, has));
    const { firstByte, head, requestBytes, responseBytes, leased, connected, waited, queued } =
      this.#numbersOf(row);
    const elapsed = (name: string, value: number): string =>
      value === 0 ? '' : `"${name}":${(value - 1) / 1000},`;
    const text =
      `${before}"queue_ms":${waited / 1000},` +
      (queued === 0 ? '' : `"async_wait_ms":${queued / 1000},`) +
      elapsed('leased_ms', leased) +
      elapsed('connected_ms', connected) +
      elapsed('head_ms', head) +
      elapsed('first_byte_ms', firstByte) +
      `"request_bytes":${requestBytes},"response_bytes":${responseBytes},${after}` +
      ((has & HAS.llm) === 0 ? '' : this.llm.members(this.rankOf(HAS.llm, row)));
    return others === '' ? `${text.slice(0, -1)}}` : `${text}${others}}`;
  }

  #ownId(row: number): string {
    return this.ownIds.id(this.rankOf(HAS.ownId, row), this.timeMs[row]!);
  }

  #durationOf(row: number): number {
    return this.#durationNs?.[row] ?? numberAt(this.#main, this.#columns[2]!, this.rows, row);
  }

  /** The numbers of a native record, as in `numbers`. */
  #numbersOf(row: number): Record<keyof NativeNumbers, number> {
    const rank = this.rankOf(HAS.native, row);
    if (this.#numbers !== undefined || ++this.#records > FEW_RECORDS) {
      const { firstByte, head, requestBytes, responseBytes, leased, connected, waited, queued } =
        this.numbers;
      return {
        firstByte: firstByte[rank]!,
        head: head[rank]!,
        requestBytes: requestBytes[rank]!,
        responseBytes: responseBytes[rank]!,
        leased: leased[rank]!,
        connected: connected[rank]!,
        waited: waited[rank]!,
        queued: queued[rank]!,
      };
    }
    const bytes = this.#numbersPart;
    const count = this.countOf(HAS.native);
    let at = encodedLength(bytes, 0, this.countOf(HAS.nanoseconds));
    const next = (): number => {
      const value = numberAt(bytes, at, count, rank);
      at += encodedLength(bytes, at, count);
      return value;
    };
    const ofFirstByte = numberAt(this.#main, this.#columns[3]!, count, rank);
    const firstByte = near(ofFirstByte, microseconds(this.#durationOf(row)));
    const head = near(next(), firstByte);
    const [requestBytes, responseBytes, leased, connected] = [next(), next(), next(), next()];
    const [waited, queued] = [next(), next()];
    return { firstByte, head, requestBytes, responseBytes, leased, connected, waited, queued };
  }

  get #numbersPart(): Uint8Array {
    return (this.#numberBytes ??= this.#read(PART.numbers));
  }

  /** Decodes a column of all rows. */
  #decode(column: number): Float64Array {
    const { rows } = this;
    return decodeNumbers(this.#main, this.#columns[column]!, rows, this.#memory?.take(rows));
  }

  #decodeFirstBytes(): Float64Array {
    const values = decodeNumbers(this.#main, this.#columns[3]!, this.countOf(HAS.native));
    const ranks = this.ranksOf(HAS.native);
    const { durationNs } = this;
    for (let row = 0; row < this.rows; row++) {
      const rank = ranks[row]!;
      if (ranks[row + 1]! > rank) values[rank] = near(values[rank]!, microseconds(durationNs[row]!));
    }
    return values;
  }
}
