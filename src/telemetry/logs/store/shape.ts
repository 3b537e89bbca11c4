// A shape: all facts of a record that many records share. A page stores each shape once.
// A request that this weir has served is native: the shape holds its message and all attributes that are not numbers.
// Invariant: a shape is never changed, so what is derived from it is made once and kept with it.
import { KINDS, type LogRecord, type RecordKind, type RecordOrigin } from '../log-record.ts';

/** Which columns of a page the records of a shape have. */
export const HAS = {
  native: 1,
  /** The request id is the begin in milliseconds (12 hex digits) and 25 more digits. */
  ownId: 2,
  requestId: 4,
  /** Trace id and span id follow from the request id (core/exchange/identity.ts). */
  ownTrace: 8,
  trace: 16,
  ownSpan: 32,
  span: 64,
  parent: 128,
  message: 256,
  /** Of a native record: attributes besides the native ones. */
  attributes: 512,
  /** The time has a part below a millisecond. */
  nanoseconds: 1024,
  bodies: 2048,
  /** It was a request to a language model: it has LLM_NUMBERS and the id of the response (llm-numbers.ts). */
  llm: 4096,
  /** A newer version of the record is stored, so no reader returns it. */
  replaced: 8192,
} as const;

/** What only a native record has. */
export interface NativeFacts {
  readonly method: string;
  /** Redacted, without the query. */
  readonly path: string;
  readonly protocol: string;
  readonly cause: string;
  readonly detail: string;
  readonly remote: string;
  readonly attempts: number;
  readonly retries: number;
  readonly isAsync: boolean;
  readonly isSampled: boolean;
  /** Error that the stream of the response reported, for the message; empty if it reported none. */
  readonly streamError: string;
  readonly isFailedStream: boolean;
  /** Further attributes, as members of a JSON object without braces. */
  readonly shared: string;
}

/** Columns of a record that its shape holds. Sums per minute are stored by their order, so new ones go to the end. */
export const SHAPE_COLUMNS = [
  'kind',
  'severity',
  'status',
  'deployment',
  'environment',
  'replica',
  'source',
  'pod',
  'modelId',
] as const;
type ShapeColumn = (typeof SHAPE_COLUMNS)[number];
const COLUMNS: ReadonlySet<string> = new Set(SHAPE_COLUMNS);

export const isShapeColumn = (name: string): name is ShapeColumn => COLUMNS.has(name);

export interface Shape extends RecordOrigin {
  readonly kind: RecordKind;
  readonly severity: number;
  readonly status: number;
  /** Sum of HAS. */
  readonly has: number;
  readonly native: NativeFacts | undefined;
}

/** The shape of a row that was replaced. Of its facts only the message is left, since texts follow each other in memory. */
export const replacedShape = ({ has }: Pick<Shape, 'has'>): Shape =>
  (has & HAS.message) === 0 ? REPLACED : REPLACED_WITH_MESSAGE;

const REPLACED: Shape = {
  kind: 'span',
  severity: 0,
  status: 0,
  deployment: '',
  environment: '',
  replica: '',
  source: '',
  pod: '',
  modelId: '',
  has: HAS.replaced,
  native: undefined,
};
const REPLACED_WITH_MESSAGE: Shape = { ...REPLACED, has: HAS.replaced | HAS.message };

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The message of a native record. */
export function nativeMessage(
  { method, path, cause, detail, streamError, isFailedStream }: NativeFacts,
  status: number,
): string {
  const failure = isFailedStream ? ` stream error: ${oneLine(streamError)}`.trimEnd() : '';
  return `${method} ${path} ${status}${cause === 'ok' ? '' : ` ${cause}`}${detail === '' ? '' : `: ${detail}`}${failure}`;
}

/** Attributes of `shared`, by the facts that have them. */
const sharedAttributes = new WeakMap<NativeFacts, Readonly<Record<string, unknown>>>();

/** The further attributes that all records with these facts have. */
export function attributesShared(native: NativeFacts): Readonly<Record<string, unknown>> {
  let attributes = sharedAttributes.get(native);
  if (attributes === undefined)
    sharedAttributes.set(
      native,
      (attributes = JSON.parse(`{${native.shared}}`) as Readonly<Record<string, unknown>>),
    );
  return attributes;
}

/** A member of the JSON text of attributes, with the comma after it. */
const member = (name: string, value: string | number | boolean): string =>
  `"${name}":${JSON.stringify(value)},`;

/** JSON text of the native attributes: what stands before the durations, and between them and further attributes. */
export function nativeAttributes(native: NativeFacts, has: number): readonly [before: string, after: string] {
  const { method, path, protocol, cause, detail, remote, attempts, retries, isAsync, isSampled, shared } =
    native;
  return [
    `{${member('method', method)}${member('path', path)}${member('protocol', protocol)}${member('cause', cause)}` +
      (detail === '' ? '' : member('detail', detail)) +
      (remote === '' ? '' : member('remote', remote)),
    member('attempts', attempts) +
      (retries === 0 ? '' : member('retries', retries)) +
      (isAsync ? member('async', true) : '') +
      (isSampled ? member('is_sampled', true) : '') +
      ((has & HAS.bodies) === 0 ? '' : member('has_bodies', true)) +
      (shared === '' ? '' : `${shared},`),
  ];
}

/** The texts of a page, each once, for the numbers in encoded shapes. */
export class PageTexts {
  readonly list: string[] = [];
  readonly #numbers = new Map<string, number>();

  number(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      this.#numbers.set(text, (number = this.list.length));
      this.list.push(text);
    }
    return number;
  }
}

/** A shape as a list of numbers. Later versions may add numbers at the end; those that are missing are 0. */
export function encodeShape(shape: Shape, texts: PageTexts): number[] {
  const { kind, severity, status, has, native } = shape;
  const encoded = [
    KINDS.indexOf(kind),
    severity,
    status,
    has,
    texts.number(shape.deployment),
    texts.number(shape.environment),
    texts.number(shape.replica),
    texts.number(shape.source),
    texts.number(shape.pod),
    texts.number(shape.modelId),
  ];
  if (native)
    encoded.push(
      texts.number(native.method),
      texts.number(native.path),
      texts.number(native.protocol),
      texts.number(native.cause),
      texts.number(native.detail),
      texts.number(native.remote),
      native.attempts,
      native.retries,
      (native.isAsync ? 1 : 0) | (native.isSampled ? 2 : 0) | (native.isFailedStream ? 4 : 0),
      texts.number(native.streamError),
      // 0: none, as in pages without it.
      ...(native.shared === '' ? [] : [texts.number(native.shared) + 1]),
    );
  return encoded;
}

/** Which number of an encoded shape is a column. */
const NUMBER_OF = {
  kind: 0,
  severity: 1,
  status: 2,
  has: 3,
  deployment: 4,
  environment: 5,
  replica: 6,
  source: 7,
  pod: 8,
  modelId: 9,
} as const satisfies Record<ShapeColumn | 'has', number>;

/** The shapes of a page as they are encoded, from which single columns are read. */
export class EncodedShapes {
  readonly #numbers: ArrayLike<number>;
  readonly #starts: readonly number[];
  readonly #texts: readonly string[];

  /** `numbers`: of all shapes. `starts`: where those of each shape begin; one more at the end. */
  constructor(numbers: ArrayLike<number>, starts: readonly number[], texts: readonly string[]) {
    this.#numbers = numbers;
    this.#starts = starts;
    this.#texts = texts;
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** Sum of HAS of a shape. */
  has(shape: number): number {
    return this.#number(shape, NUMBER_OF.has);
  }

  /** Columns that all shapes have, and columns that any shape has: sums of HAS. */
  commonOf(): readonly [every: number, some: number] {
    let [every, some] = [-1, 0];
    for (let shape = 0; shape < this.count; shape++) {
      every &= this.has(shape);
      some |= this.has(shape);
    }
    return [every, some];
  }

  /** The value of a column by shape. */
  column(name: ShapeColumn): (string | number)[] {
    const i = NUMBER_OF[name];
    const values: (string | number)[] = [];
    for (let shape = 0; shape < this.count; shape++) {
      const isNumber = name === 'severity' || name === 'status';
      const value = this.#number(shape, i);
      values.push(name === 'kind' ? KINDS[value]! : isNumber ? value : this.#text(shape, i));
    }
    return values;
  }

  shape(shape: number): Shape {
    const number = (i: number): number => this.#number(shape, i);
    const text = (i: number): string => this.#text(shape, i);
    const has = number(3);
    const flags = number(18);
    return {
      kind: KINDS[number(0)]!,
      severity: number(1),
      status: number(2),
      has,
      deployment: text(4),
      environment: text(5),
      replica: text(6),
      source: text(7),
      pod: text(8),
      modelId: text(9),
      native:
        (has & HAS.native) === 0
          ? undefined
          : {
              method: text(10),
              path: text(11),
              protocol: text(12),
              cause: text(13),
              detail: text(14),
              remote: text(15),
              attempts: number(16),
              retries: number(17),
              isAsync: (flags & 1) !== 0,
              isSampled: (flags & 2) !== 0,
              isFailedStream: (flags & 4) !== 0,
              streamError: text(19),
              shared: number(20) === 0 ? '' : (this.#texts[number(20) - 1] ?? ''),
            },
    };
  }

  /** 0 if the shape has fewer numbers. */
  #number(shape: number, i: number): number {
    const at = this.#starts[shape]! + i;
    return at < this.#starts[shape + 1]! ? this.#numbers[at]! : 0;
  }

  #text(shape: number, i: number): string {
    return this.#texts[this.#number(shape, i)] ?? '';
  }
}

const isOf = (shape: Shape, record: LogRecord, has: number): boolean =>
  shape.has === has &&
  shape.kind === record.kind &&
  shape.severity === record.severity &&
  shape.status === record.status &&
  shape.replica === record.replica &&
  shape.source === record.source &&
  shape.deployment === record.deployment &&
  shape.environment === record.environment &&
  shape.pod === record.pod &&
  shape.modelId === record.modelId;

/** Largest number of shapes that a table keeps. */
const MAX_SHAPES = 8192;

/** Shapes of records that are not native, each once. */
export class ShapeTable {
  readonly #shapes = new Map<string, Shape>();
  /** Most records have the shape of the one before. */
  #last: Shape | undefined;

  of(record: LogRecord, has: number): Shape {
    if (this.#last !== undefined && isOf(this.#last, record, has)) return this.#last;
    return (this.#last = this.#find(record, has));
  }

  #find(record: LogRecord, has: number): Shape {
    const { kind, severity, status, deployment, environment, replica, source, pod, modelId } = record;
    // With the lengths, since a text may contain any separator.
    const key =
      `${kind} ${severity} ${status} ${has} ${deployment.length} ${environment.length} ${replica.length} ` +
      `${source.length} ${pod.length} ${deployment}${environment}${replica}${source}${pod}${modelId}`;
    let shape = this.#shapes.get(key);
    if (shape === undefined) {
      if (this.#shapes.size >= MAX_SHAPES) this.#shapes.clear();
      shape = {
        kind,
        severity,
        status,
        has,
        deployment,
        environment,
        replica,
        source,
        pod,
        modelId,
        native: undefined,
      };
      this.#shapes.set(key, shape);
    }
    return shape;
  }
}
