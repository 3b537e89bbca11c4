// One line of a metrics page: a series and its value (Prometheus text 0.0.4 and OpenMetrics 1.0, which differ little here).
// Must stay true: it reads each character once, and what it does not read to the end with certainty is a Fault.

/** Why a line, a series or a page is left out. */
export type SampleError =
  | 'unreachable'
  | 'timeout'
  | 'bad_status'
  | 'not_metrics'
  | 'bad_encoding'
  | 'too_large'
  | 'truncated'
  | 'bad_utf8'
  | 'bad_line'
  | 'bad_label'
  | 'bad_value'
  | 'bad_exemplar'
  | 'bad_metadata'
  | 'bad_histogram'
  | 'bad_summary'
  | 'duplicate_series'
  | 'reserved_name'
  | 'name_conflict'
  | 'too_many_series'
  | 'internal';

export type LabelPair = readonly [name: string, value: string];

export interface SampleLine {
  readonly name: string;
  readonly labels: readonly LabelPair[];
  /** As it will be printed: a number as it was written, NaN, +Inf or -Inf. */
  readonly value: string;
  /** `{…} value timestamp`, ready to be printed behind `# `. */
  readonly exemplar: string | undefined;
  /** There was an exemplar, and it is wrong: the sample counts, the exemplar does not. */
  readonly hasBadExemplar: boolean;
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const SPACE = /[ \t]*/y;
/**
 * A label's value up to its closing quote. A backslash may precede any character (OpenMetrics 1.0, ABNF, escaped-char).
 * Except before three of them it is a literal backslash, as in Prometheus.
 */
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const WORD = /[^ \t{}#]+/y;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
/** What an exemplar may carry in all (OpenMetrics 1.0, Exemplars). */
const EXEMPLAR_CHARACTERS = 128;

const ESCAPED: Record<string, string> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };
const unescape = (text: string): string =>
  text.includes('\\') ? text.replace(/\\["\\n]/g, (found) => ESCAPED[found]!) : text;

/** What a help text says: quotes may be escaped in it or not. */
export const unescapeHelp = unescape;

/** A label's value as it is printed. */
const escape = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;

/** `a="b",c="d"`. */
export const printLabels = (labels: readonly LabelPair[]): string =>
  labels.map(([name, value]) => `${name}="${escape(value)}"`).join(',');

/** A number as Prometheus reads it, in the form in which it is printed; `undefined` where it is none. */
export function readSampleValue(text: string): string | undefined {
  // A number that no float holds would make a scrape of ours fail.
  if (NUMBER.test(text)) return Number.isFinite(Number(text)) ? text : undefined;
  switch (text.toLowerCase()) {
    case 'nan':
      return 'NaN';
    case 'inf':
    case '+inf':
    case 'infinity':
    case '+infinity':
      return '+Inf';
    case '-inf':
    case '-infinity':
      return '-Inf';
    default:
      return undefined;
  }
}

/** The printed form of a number → the number. */
export const numberOf = (printed: string): number =>
  printed === '+Inf' ? Infinity : printed === '-Inf' ? -Infinity : Number(printed);

/** A timestamp is any finite number (OpenMetrics 1.0, ABNF, timestamp = realnumber). */
const isTimestamp = (text: string): boolean => NUMBER.test(text) && Number.isFinite(Number(text));

/** Reads a line from left to right. */
class Reader {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  /** What matches here, or `undefined`; spaces before it are passed over. */
  take(pattern: RegExp, group = 0): string | undefined {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#line);
    pattern.lastIndex = SPACE.lastIndex;
    const found = pattern.exec(this.#line);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found[group]!;
  }

  /** Passes a character, if it is the next. */
  skip(character: string): boolean {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#line);
    if (this.#line[SPACE.lastIndex] !== character) return false;
    this.#at = SPACE.lastIndex + 1;
    return true;
  }

  get isAtEnd(): boolean {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#line);
    return SPACE.lastIndex === this.#line.length;
  }

  /** Labels between braces, or none; `undefined` where they are malformed or one stands there twice. */
  labels(): LabelPair[] | undefined {
    const labels: LabelPair[] = [];
    if (!this.skip('{')) return labels;
    const seen = new Set<string>();
    while (!this.skip('}')) {
      const name = this.take(LABEL);
      if (name === undefined || !this.skip('=')) return undefined;
      const value = this.take(QUOTED, 1);
      // Names that begin with two underscores belong to Prometheus: __name__ would rename the series.
      if (value === undefined || name.startsWith('__') || seen.has(name)) return undefined;
      seen.add(name);
      labels.push([name, unescape(value)]);
      // A comma behind the last one is allowed.
      if (!this.skip(',')) return this.skip('}') ? labels : undefined;
    }
    return labels;
  }
}

/** Reads a line that holds a sample. Its timestamp, if any, is left out: the page is told when it is scraped. */
export function readSample(line: string): SampleLine | SampleError {
  const reader = new Reader(line);
  const name = reader.take(NAME);
  if (name === undefined) return 'bad_line';
  const labels = reader.labels();
  if (labels === undefined) return 'bad_label';
  const word = reader.take(WORD);
  if (word === undefined) return 'bad_line';
  const value = readSampleValue(word);
  if (value === undefined) return 'bad_value';
  const timestamp = reader.take(WORD);
  if (timestamp !== undefined && !isTimestamp(timestamp)) return 'bad_line';
  const hasExemplar = reader.skip('#');
  if (!hasExemplar && !reader.isAtEnd) return 'bad_line';
  const exemplar = hasExemplar ? readExemplar(reader) : undefined;
  return { name, labels, value, exemplar, hasBadExemplar: hasExemplar && exemplar === undefined };
}

function readExemplar(reader: Reader): string | undefined {
  const labels = reader.labels();
  const value = readSampleValue(reader.take(WORD) ?? '');
  const timestamp = reader.take(WORD);
  if (labels === undefined || value === undefined || !reader.isAtEnd) return undefined;
  if (timestamp !== undefined && !isTimestamp(timestamp)) return undefined;
  const characters = labels.reduce(
    (sum, [name, text]) => sum + Array.from(name).length + Array.from(text).length,
    0,
  );
  if (characters > EXEMPLAR_CHARACTERS) return undefined;
  return `{${printLabels(labels)}} ${value}${timestamp === undefined ? '' : ` ${timestamp}`}`;
}
