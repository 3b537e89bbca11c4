// The records of the block that is being filled, as columns in memory. Rows are in the order of their sequence numbers.
// Invariant: a row is complete when `end` was called, and only complete rows are encoded.
import type { LogRecord } from '../log-record.ts';
import { LLM_NUMBERS } from './llm-numbers.ts';
import type { Page } from './page.ts';
import { RowTexts } from './row-texts.ts';
import { HAS, replacedShape, type Shape } from './shape.ts';

/** Largest number of records in a block. */
export const BLOCK_ROWS = 32_768;
/** Largest number of records in a page, and characters of texts after which a page ends. */
const PAGE_ROWS = 4096;
const PAGE_CHARACTERS = 48 * 1024;
/** Characters of texts after which a block is full. */
const BLOCK_CHARACTERS = 8 * 1024 ** 2;
/** Digits of an own request id after the time: 12 bytes and one digit more. */
export const OWN_ID_BYTES = 12;

/** Columns that only native records have. */
const NATIVE_COLUMNS = [
  'leased',
  'connected',
  'head',
  'firstByte',
  'waited',
  'queued',
  'requestBytes',
  'responseBytes',
] as const;

/** Shape of a row without a record. */
const NOTHING = replacedShape({ has: 0 });

const numbers = (): Float64Array<ArrayBuffer> => new Float64Array(BLOCK_ROWS);

export class BlockRows {
  /** Sequence number of the first row. */
  firstSeq: number;
  count = 0;
  /** Milliseconds since the epoch, and the nanoseconds after them. */
  readonly timeMs = numbers();
  readonly restNs = new Uint32Array(BLOCK_ROWS);
  /** Index in `shapes`. */
  readonly shape = new Uint32Array(BLOCK_ROWS);
  readonly durationNs = numbers();
  /** Microseconds since the begin, plus 1; 0: did not happen. Only of native records, like the columns below. */
  readonly leased = numbers();
  readonly connected = numbers();
  readonly head = numbers();
  readonly firstByte = numbers();
  /** Microseconds in the wait queue, and in the queue of asynchronous requests. */
  readonly waited = numbers();
  readonly queued = numbers();
  readonly requestBytes = numbers();
  readonly responseBytes = numbers();
  readonly ownId = new Uint8Array(BLOCK_ROWS * OWN_ID_BYTES);
  readonly ownIdDigit = new Uint8Array(BLOCK_ROWS);
  readonly messages = new RowTexts(BLOCK_ROWS);
  /** By row. */
  requestIds: string[] = [];
  traces: string[] = [];
  spans: string[] = [];
  parents: string[] = [];
  /** JSON text of an object. Of a native record: further attributes. */
  attributes: string[] = [];
  /** Ids of the responses of language models. */
  responseIds: string[] = [];
  /** LLM_NUMBERS; made by the first row that has them. */
  llm: readonly Float64Array[] | undefined;
  shapes: Shape[] = [];
  readonly #shapeNumbers = new Map<Shape, number>();
  /** The shapes that rows had which were replaced since the last `stored`. */
  readonly #replaced = new Map<number, number>();
  /** Rows where pages end. */
  readonly pageEnds: number[] = [];
  #pageStart = 0;
  #pageCharacters = 0;
  #characters = 0;
  #isClosed = false;

  constructor(firstSeq: number) {
    this.firstSeq = firstSeq;
  }

  /** Removes all rows, so that the memory is used again. */
  reset(firstSeq: number): void {
    this.firstSeq = firstSeq;
    this.#isClosed = false;
    this.shapes = [];
    this.#shapeNumbers.clear();
    this.#replaced.clear();
    this.truncate(0);
  }

  get isFull(): boolean {
    return this.#isClosed || this.count === BLOCK_ROWS || this.#characters >= BLOCK_CHARACTERS;
  }

  /** No more rows are added. */
  close(): void {
    this.#isClosed = true;
  }

  /** Sequence number of the next row. */
  get nextSeq(): number {
    return this.firstSeq + this.count;
  }

  /** Begins a row, and returns its index. */
  begin(shape: Shape): number {
    this.shape[this.count] = this.#numberOf(shape);
    this.messages.begin(this.count);
    return this.count;
  }

  #numberOf(shape: Shape): number {
    let number = this.#shapeNumbers.get(shape);
    if (number === undefined) {
      this.#shapeNumbers.set(shape, (number = this.shapes.length));
      this.shapes.push(shape);
    }
    return number;
  }

  /** Removes a row from what readers see, since a later row is a newer version of its record. */
  replace(row: number): void {
    const number = this.shape[row]!;
    const shape = this.shapes[number]!;
    if ((shape.has & HAS.replaced) !== 0) return;
    this.#replaced.set(row, number);
    this.shape[row] = this.#numberOf(replacedShape(shape));
  }

  /** The rows are stored, so they stay replaced. */
  stored(): void {
    this.#replaced.clear();
  }

  /** Shows the rows again that were replaced since the last `stored`, since the newer versions are lost. */
  undoReplaced(): void {
    for (const [row, number] of this.#replaced) this.shape[row] = number;
    this.#replaced.clear();
  }

  /** Sets what a language model did. `numbers`: as in columns. */
  setLlm(row: number, values: ArrayLike<number>, responseId: string): void {
    this.llm ??= LLM_NUMBERS.map(numbers);
    for (let i = 0; i < values.length; i++) this.llm[i]![row] = values[i]!;
    this.responseIds[row] = responseId;
  }

  /** Completes the row. `characters`: of its texts. */
  end(characters: number): void {
    this.count++;
    this.#characters += characters;
    this.#pageCharacters += characters;
    if (this.count - this.#pageStart < PAGE_ROWS && this.#pageCharacters < PAGE_CHARACTERS) return;
    this.pageEnds.push(this.count);
    this.#pageStart = this.count;
    this.#pageCharacters = 0;
  }

  /** Adds a record that is not native. Its `seq` is ignored. */
  add(record: LogRecord, shape: Shape): void {
    const row = this.begin(shape);
    const { has } = shape;
    this.timeMs[row] = Number(record.timeNs / 1_000_000n);
    this.restNs[row] = Number(record.timeNs % 1_000_000n);
    this.durationNs[row] = Math.round(record.durationNs);
    if (has & HAS.requestId) this.requestIds[row] = record.requestId;
    if (has & HAS.trace) this.traces[row] = record.traceId;
    if (has & HAS.span) this.spans[row] = record.spanId;
    if (has & HAS.parent) this.parents[row] = record.parentSpanId;
    if (has & HAS.message) this.messages.set(row, record.message);
    if (has & HAS.attributes) this.attributes[row] = record.attributes;
    this.end(record.message.length + record.attributes.length);
  }

  /** Adds a row that readers never see. */
  addReplaced(timeMs: number): void {
    const row = this.begin(NOTHING);
    this.timeMs[row] = timeMs;
    this.restNs[row] = 0;
    this.durationNs[row] = 0;
    this.end(0);
  }

  /** Adds a row of a page. `shape`: that of the row, the same object for the same shape. */
  copy(page: Page, from: number, shape: Shape): void {
    const { has } = shape;
    const record = page.record(from);
    const row = this.begin(shape);
    this.timeMs[row] = page.timeMs[from]!;
    this.restNs[row] = page.restNs(from);
    this.durationNs[row] = page.durationNs[from]!;
    if (has & HAS.requestId) this.requestIds[row] = record.requestId;
    if (has & HAS.trace) this.traces[row] = record.traceId;
    if (has & HAS.span) this.spans[row] = record.spanId;
    if (has & HAS.parent) this.parents[row] = record.parentSpanId;
    if (has & HAS.message) this.messages.set(row, record.message);
    if (has & HAS.attributes)
      this.attributes[row] = page.attributes.text(page.ranksOf(HAS.attributes)[from]!);
    if (has & HAS.native) this.#copyNumbers(page, from, row);
    if (has & HAS.llm) {
      const rank = page.rankOf(HAS.llm, from);
      const { numbers: columns, responseIds } = page.llm;
      this.setLlm(
        row,
        columns.map((column) => column[rank]!),
        responseIds.at(rank),
      );
    }
    if (has & HAS.ownId) {
      const rank = page.ranksOf(HAS.ownId)[from]!;
      const bytes = page.ownIds.bytes(rank);
      this.ownId.set(bytes, row * OWN_ID_BYTES);
      this.ownIdDigit[row] = page.ownIds.digit(rank);
    }
    this.end(
      (has & HAS.message ? record.message.length : 0) +
        (this.attributes[row]?.length ?? 0) +
        (this.responseIds[row]?.length ?? 0),
    );
  }

  /** Removes the rows from `count` on. */
  truncate(count: number): void {
    this.count = count;
    for (const texts of [
      this.requestIds,
      this.traces,
      this.spans,
      this.parents,
      this.attributes,
      this.responseIds,
    ])
      texts.length = Math.min(texts.length, count);
    this.pageEnds.splice(0, Infinity, ...this.pageEnds.filter((end) => end <= count));
    this.#pageStart = this.pageEnds.at(-1) ?? 0;
    this.#characters = 0;
    this.#pageCharacters = 0;
    for (let row = 0; row < count; row++) {
      // Bytes of messages are counted as characters, so the next page or block may end earlier.
      const characters =
        this.messages.lengthOf(row) +
        (this.attributes[row]?.length ?? 0) +
        (this.responseIds[row]?.length ?? 0);
      this.#characters += characters;
      if (row >= this.#pageStart) this.#pageCharacters += characters;
    }
  }

  #copyNumbers(page: Page, from: number, row: number): void {
    const rank = page.ranksOf(HAS.native)[from]!;
    const { numbers } = page;
    for (const name of NATIVE_COLUMNS) this[name][row] = numbers[name][rank]!;
  }

  /** Rows where the pages of a sealed block end. */
  get allPageEnds(): readonly number[] {
    return this.pageEnds.at(-1) === this.count ? this.pageEnds : [...this.pageEnds, this.count];
  }
}

/** The columns that a record needs which is not native. */
export function columnsOf(record: LogRecord): number {
  return (
    (record.requestId === '' ? 0 : HAS.requestId) |
    (record.traceId === '' ? 0 : HAS.trace) |
    (record.spanId === '' ? 0 : HAS.span) |
    (record.parentSpanId === '' ? 0 : HAS.parent) |
    (record.message === '' ? 0 : HAS.message) |
    (record.attributes === '' ? 0 : HAS.attributes) |
    (record.timeNs % 1_000_000n === 0n ? 0 : HAS.nanoseconds)
  );
}
