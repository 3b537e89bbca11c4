// Parses one line of a metrics page: a series and its value (Prometheus text 0.0.4 and OpenMetrics 1.0).
// Invariant: each character is read once, and a line that does not match completely is an error.

/** Why a line, a series, a family or a page is left out. The names are values of the label `reason`. */
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
  /** As printed: a number as it was written, NaN, +Inf or -Inf. */
  readonly value: string;
  /** `{…} value timestamp`, as printed after `# `. */
  readonly exemplar: string | undefined;
  /** The exemplar is invalid and left out; the sample is kept. */
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
/** Maximum length of an exemplar's label names and values together (OpenMetrics 1.0, Exemplars). */
const EXEMPLAR_CHARACTERS = 128;

const ESCAPED: Record<string, string> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };
const unescape = (text: string): string =>
  text.includes('\\') ? text.replace(/\\["\\n]/g, (found) => ESCAPED[found]!) : text;

/** Unescapes a help text. Quotes may be escaped in it or not. */
export const unescapeHelp = unescape;

/** Escapes a label value for printing. */
const escape = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;

/** Prints labels as `a="b",c="d"`. */
export const printLabels = (labels: readonly LabelPair[]): string =>
  labels.map(([name, value]) => `${name}="${escape(value)}"`).join(',');

/** The printed form of a number; `undefined` if Prometheus cannot parse it. */
export function readSampleValue(text: string): string | undefined {
  // A number that does not fit a float would make the scrape of weir's page fail.
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

/** The number of a printed form. */
export const numberOf = (printed: string): number =>
  printed === '+Inf' ? Infinity : printed === '-Inf' ? -Infinity : Number(printed);

/** A timestamp is any finite number (OpenMetrics 1.0, ABNF, timestamp = realnumber). */
const isTimestamp = (text: string): boolean => NUMBER.test(text) && Number.isFinite(Number(text));

/** Parses a line from left to right. */
class LineReader {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  /** Consumes spaces and a match of the pattern. Returns `undefined` if it does not match here. */
  take(pattern: RegExp, group = 0): string | undefined {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#line);
    pattern.lastIndex = SPACE.lastIndex;
    const found = pattern.exec(this.#line);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found[group]!;
  }

  /** Consumes spaces and a character. Returns false if another one follows. */
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

  /** Labels in braces, or none; `undefined` if they are malformed or one occurs twice. */
  labels(): LabelPair[] | undefined {
    const labels: LabelPair[] = [];
    if (!this.skip('{')) return labels;
    const seen = new Set<string>();
    while (!this.skip('}')) {
      const name = this.take(LABEL);
      if (name === undefined || !this.skip('=')) return undefined;
      const value = this.take(QUOTED, 1);
      // Names with two leading underscores are reserved by Prometheus: __name__ would rename the series.
      if (value === undefined || name.startsWith('__') || seen.has(name)) return undefined;
      seen.add(name);
      labels.push([name, unescape(value)]);
      // A comma after the last label is allowed.
      if (!this.skip(',')) return this.skip('}') ? labels : undefined;
    }
    return labels;
  }
}

/** Parses a sample line. Its timestamp is ignored, since the scrape of weir's page sets the time. */
export function readSample(line: string): SampleLine | SampleError {
  const reader = new LineReader(line);
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

function readExemplar(reader: LineReader): string | undefined {
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
