// The sums per minute of the records of a block: how many, and their durations. They are stored with the block, since
// counts of weeks and percentiles of very many records would take too long to read from pages.
// Invariant: sums are exact. They are left out if they are not much smaller than the records.
import { KINDS, type LogRecord, type RecordKind } from '../log-record.ts';
import { toBlob } from './blob.ts';
import type { BlockRows } from './block-rows.ts';
import { ByteWriter } from './byte-writer.ts';
import type { ValueSums } from './group-accumulator.ts';
import { LogHistogram } from './log-histogram.ts';
import { MINUTE_MS } from './minute-query.ts';
import { decodeNumbers, encodedLength, writeNumbers } from './number-column.ts';
import { HAS, SHAPE_COLUMNS, type Shape } from './shape.ts';

/** With fewer records per sum, pages are read about as fast. */
const MIN_RECORDS_PER_SUM = 8;
/** Sums that are always worth it; and bytes of all sums. The limit is a byte for each record. */
const FEW_SUMS = 64;
const FEW_BYTES = 4096;

/** JSON text before the columns. Readers ignore members that they do not know. */
interface Header {
  /** Number of sums. */
  readonly count: number;
  /** The different values of SHAPE_COLUMNS, in this order; the kind as its index in KINDS. */
  readonly facts: readonly (readonly (string | number)[])[];
  readonly hasHistograms: boolean;
}

/** Sum of the records of one minute with the same facts. */
class Sum {
  readonly minute: number;
  readonly fact: number;
  records = 0;
  /** Of the records with a duration, in nanoseconds. */
  count = 0;
  sum = 0;
  min = Infinity;
  max = 0;
  readonly histogram = new LogHistogram();

  constructor(minute: number, fact: number) {
    this.minute = minute;
    this.fact = fact;
  }

  add(durationNs: number): void {
    this.records++;
    if (durationNs === 0) return;
    this.count++;
    this.sum += durationNs;
    if (durationNs < this.min) this.min = durationNs;
    if (durationNs > this.max) this.max = durationNs;
    this.histogram.add(durationNs);
  }
}

const factsOf = (shape: Shape): (string | number)[] =>
  SHAPE_COLUMNS.map((name) => (name === 'kind' ? KINDS.indexOf(shape.kind) : shape[name]));

/** Sums of the rows, and their facts. `undefined`: there are too many sums, or too large ones. */
function sumsOf(rows: BlockRows): { sums: Sum[]; facts: (string | number)[][] } | undefined {
  const facts: (string | number)[][] = [];
  const numbers = new Map<string, number>();
  const factOfShape = rows.shapes.map((shape) => {
    const fact = factsOf(shape);
    const key = JSON.stringify(fact);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, facts.length);
    return facts.push(fact) - 1;
  });
  const byMinute = new Map<number, (Sum | undefined)[]>();
  const sums: Sum[] = [];
  const maxSums = Math.max(FEW_SUMS, rows.count / MIN_RECORDS_PER_SUM);
  let minute = NaN;
  let ofMinute: (Sum | undefined)[] = [];
  const isReplaced = rows.shapes.map(({ has }) => (has & HAS.replaced) !== 0);
  for (let row = 0; row < rows.count; row++) {
    if (isReplaced[rows.shape[row]!]) continue;
    const own = Math.floor(rows.timeMs[row]! / MINUTE_MS);
    if (own !== minute) {
      minute = own;
      ofMinute = byMinute.get(minute) ?? [];
      byMinute.set(minute, ofMinute);
    }
    const fact = factOfShape[rows.shape[row]!]!;
    let sum = ofMinute[fact];
    if (sum === undefined) {
      ofMinute[fact] = sum = new Sum(minute, fact);
      if (sums.push(sum) > maxSums) return undefined;
    }
    sum.add(rows.durationNs[row]!);
  }
  if (sums.some(({ sum }) => !Number.isSafeInteger(sum))) return undefined;
  sums.sort((a, b) => a.minute - b.minute || a.fact - b.fact);
  return { sums, facts };
}

/** The sums of a block as they are stored. `undefined`: they are not worth their bytes. */
export function minuteSumsBlob(rows: BlockRows): Uint8Array | undefined {
  const found = sumsOf(rows);
  if (found === undefined) return undefined;
  for (const hasHistograms of [true, false]) {
    const blob = toBlob(encoded(found, hasHistograms), true);
    if (blob.length <= Math.max(FEW_BYTES, rows.count)) return blob;
  }
  return undefined;
}

function encoded(
  { sums, facts }: { sums: Sum[]; facts: Header['facts'] },
  hasHistograms: boolean,
): Uint8Array {
  const out = new ByteWriter();
  const header: Header = { count: sums.length, facts, hasHistograms };
  const json = Buffer.from(JSON.stringify(header));
  out.putU32(json.length);
  out.put(json);
  const histograms = hasHistograms ? sums.map(({ histogram }) => histogram.encode()) : [];
  const write = (column: ArrayLike<number>): void => writeNumbers(out, column, 0, column.length);
  write(sums.map(({ minute }) => minute));
  write(sums.map(({ fact }) => fact));
  write(sums.map(({ records }) => records));
  write(sums.map(({ count }) => count));
  write(sums.map(({ sum }) => sum));
  write(sums.map(({ min, count }) => (count === 0 ? 0 : min)));
  write(sums.map(({ max }) => max));
  if (hasHistograms) write(histograms.map(({ length }) => length));
  for (const histogram of histograms) out.put(histogram);
  return out.part(0);
}

/** Decoded sums of a block. */
export class MinuteSums {
  /** Number of sums. */
  readonly count: number;
  /** For each fact a record with only these fields. */
  readonly records: readonly LogRecord[];
  readonly hasHistograms: boolean;
  readonly #bytes: Uint8Array;
  /** Minutes since the epoch, and indexes in `records`. */
  readonly minutes: Float64Array;
  readonly facts: Float64Array;
  /** Numbers of records. */
  readonly counts: Float64Array;
  readonly #durations: readonly Float64Array[];
  /** Where the histograms begin. One more at the end. */
  readonly #starts: readonly number[];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 4 + buffer.readUInt32LE(0);
    const header = JSON.parse(buffer.toString('utf8', 4, at)) as Header;
    const { count } = header;
    this.count = count;
    this.hasHistograms = header.hasHistograms;
    this.records = header.facts.map(recordOfFacts);
    const column = (): Float64Array => {
      const values = decodeNumbers(bytes, at, count);
      at += encodedLength(bytes, at, count);
      return values;
    };
    this.minutes = column();
    this.facts = column();
    this.counts = column();
    this.#durations = [column(), column(), column(), column()];
    const starts: number[] = [];
    if (header.hasHistograms) {
      const lengths = column();
      for (const length of lengths) {
        starts.push(at);
        at += length;
      }
      starts.push(at);
    }
    this.#starts = starts;
  }

  /** Durations in nanoseconds of the records of a sum that have one. */
  durations(i: number): ValueSums {
    const [counts, sums, mins, maxs] = this.#durations as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    return { count: counts[i]!, sum: sums[i]!, min: mins[i]!, max: maxs[i]! };
  }

  /** Histogram of the durations. Only if `hasHistograms`. Throws `RangeError` for damaged bytes. */
  histogram(i: number): LogHistogram {
    return LogHistogram.decode(this.#bytes.subarray(this.#starts[i], this.#starts[i + 1]));
  }
}

function recordOfFacts(facts: readonly (string | number)[]): LogRecord {
  const values = Object.fromEntries(SHAPE_COLUMNS.map((name, i) => [name, facts[i]!]));
  const kind: RecordKind = KINDS[values['kind'] as number]!;
  return {
    seq: 0,
    timeNs: 0n,
    message: '',
    requestId: '',
    traceId: '',
    spanId: '',
    parentSpanId: '',
    durationNs: 0,
    attributes: '',
    ...(values as unknown as Pick<LogRecord, (typeof SHAPE_COLUMNS)[number]>),
    kind,
  };
}
