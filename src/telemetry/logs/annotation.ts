// Annotations: what is attached to a record after it was stored, such as scores, feedback and tags.
// Invariant: an annotation is a record of its own, and its target is in its columns: the request id, the trace id with or
// without the span id, or the attribute `target_seq`.
import { nowNs } from '../../core/time.ts';
import { attributesOf, type LineOrigin, type LogRecord } from './log-record.ts';
import { SEVERITY } from './severity.ts';

/** The records that an annotation is for. It may be stored before them. */
export type AnnotationTarget =
  /** The record with this sequence number. */
  | { readonly seq: number }
  /** The request with this id. */
  | { readonly requestId: string }
  /** The span or request with these ids; without a span id, all requests of the trace. */
  | { readonly traceId: string; readonly spanId?: string };

/** Content of an annotation. Of each part, later annotations of a record win (merge-annotations.ts). */
export interface Annotation {
  /** By name. `null` removes a score. */
  readonly scores?: Readonly<Record<string, number | null>>;
  /** What users say, by name. Like `metadata` and `fields` a merge patch (RFC 7396), so `null` removes a member. */
  readonly feedback?: Readonly<Record<string, unknown>>;
  /** Added to the comments of the record. */
  readonly comment?: string;
  /** The output that would have been right. Replaces that of earlier annotations. */
  readonly expected?: unknown;
  /** Added to the tags of the record. */
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** A merge patch of the attributes themselves. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Id of the annotation itself, by which a later one can withdraw it. */
  readonly id?: string;
  /** Who made it: the name of a key. */
  readonly author?: string;
  /** Ids of annotations of the same record that do not count any more. */
  readonly withdraws?: readonly string[];
}

/** Attribute with the merged annotations of a record. */
export const ANNOTATIONS = 'annotations';
/** Attributes of an annotation. */
const CONTENT = 'annotation';
const TARGET_SEQ = 'target_seq';

/** Limits of an annotation. They are below those of attributes (ingest/attributes.ts), so that it is stored whole. */
export const ANNOTATION_LIMITS = {
  /** Characters of all names and texts. */
  characters: 32_768,
  /** Numbers, texts, lists and objects, all together. */
  values: 400,
  /** Lists and objects within each other. */
  depth: 4,
  /** Characters of a name, of a tag, and of an id. */
  name: 256,
} as const;

const OBJECTS = ['scores', 'feedback', 'metadata', 'fields'] as const;
const PARTS: ReadonlySet<string> = new Set<keyof Annotation>([
  ...OBJECTS,
  'comment',
  'expected',
  'tags',
  'withdraws',
]);
/** Parts that say nothing about the record. */
const ABOUT_ITSELF: ReadonlySet<string> = new Set<keyof Annotation>(['id', 'author']);
const SUMMARY_CHARACTERS = 200;

type Plain = Readonly<Record<string, unknown>>;

/** True for an object of JSON that is not a list. */
export const isPlainObject = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTagList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((tag) => typeof tag === 'string');
const isScore = (value: unknown): value is number | null => value === null || Number.isFinite(value);
/** Names of attributes that belong to the merged annotations. */
export const isAnnotationName = (name: string): boolean =>
  name === ANNOTATIONS || name.startsWith(`${ANNOTATIONS}.`);

/** Returns what is wrong with a target or with the content of an annotation, which may come from JSON; or `undefined`. */
function problemOf(target: AnnotationTarget, content: Annotation): string | undefined {
  return targetProblem(target) ?? contentProblem(content) ?? sizeProblem(content);
}

function targetProblem(target: AnnotationTarget): string | undefined {
  if ('seq' in target)
    return Number.isSafeInteger(target.seq) && target.seq > 0
      ? undefined
      : `invalid seq ${target.seq}; use the sequence number of a record`;
  if ('requestId' in target) return idProblem('request id', target.requestId);
  if (!/^[0-9a-f]{32}$/.test(target.traceId)) return 'invalid trace id; use 32 lowercase hex digits';
  return target.spanId === undefined || /^[0-9a-f]{16}$/.test(target.spanId)
    ? undefined
    : 'invalid span id; use 16 lowercase hex digits';
}

function idProblem(what: string, id: unknown): string | undefined {
  if (typeof id !== 'string' || id === '') return `the ${what} is empty`;
  const { name: most } = ANNOTATION_LIMITS;
  return id.length > most
    ? `the ${what} has ${id.length} characters; at most ${most} are allowed`
    : undefined;
}

function contentProblem(content: Annotation): string | undefined {
  const parts = Object.entries(content).filter(
    ([name, value]) => value !== undefined && !ABOUT_ITSELF.has(name),
  );
  if (parts.length === 0) return `the annotation is empty; use one of ${[...PARTS].join(', ')}`;
  for (const [name, value] of parts) {
    if (!PARTS.has(name)) return `unknown part ${JSON.stringify(name.slice(0, 80))} of an annotation`;
    if (OBJECTS.some((one) => one === name) && !isPlainObject(value)) return `${name} must be an object`;
  }
  const { scores, comment, tags, fields } = content;
  for (const [name, score] of Object.entries(scores ?? {}))
    if (!isScore(score)) return `score ${JSON.stringify(name.slice(0, 80))} must be a number or null`;
  if (comment !== undefined && typeof comment !== 'string') return 'comment must be a text';
  if (tags !== undefined && !isTagList(tags)) return 'tags must be a list of texts';
  const reserved = Object.keys(fields ?? {}).find(isAnnotationName);
  return reserved === undefined
    ? undefined
    : `fields must not contain ${JSON.stringify(reserved.slice(0, 80))}`;
}

/** Counts the names and values of JSON, and finds what exceeds the limits or is not JSON. */
class Measure {
  problem: string | undefined;
  #values = 0;
  #characters = 0;

  value(value: unknown, depth: number): void {
    if (++this.#values > ANNOTATION_LIMITS.values)
      this.problem ??= `the annotation has more than ${ANNOTATION_LIMITS.values} values`;
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'object' && value !== null) this.#container(value, depth + 1);
    else if (value !== null && typeof value !== 'boolean' && !Number.isFinite(value))
      this.problem ??= `the annotation contains a ${typeof value} that is not a value of JSON`;
  }

  #container(value: object, depth: number): void {
    if (depth > ANNOTATION_LIMITS.depth)
      this.problem ??= `the annotation has more than ${ANNOTATION_LIMITS.depth} levels of objects and lists`;
    if (this.problem !== undefined) return;
    if (Array.isArray(value)) for (const item of value) this.value(item, depth);
    else
      for (const [name, item] of Object.entries(value)) {
        if (name.length > ANNOTATION_LIMITS.name)
          this.problem ??= `a name has ${name.length} characters; at most ${ANNOTATION_LIMITS.name} are allowed`;
        this.#text(name);
        this.value(item, depth);
      }
  }

  #text(text: string): void {
    this.#characters += text.length;
    if (this.#characters > ANNOTATION_LIMITS.characters)
      this.problem ??= `the annotation has more than ${ANNOTATION_LIMITS.characters} characters`;
  }
}

function sizeProblem(content: Annotation): string | undefined {
  const tag = content.tags?.find((one) => one.length > ANNOTATION_LIMITS.name || one === '');
  if (tag === '') return 'a tag is empty';
  if (tag !== undefined)
    return `a tag has ${tag.length} characters; at most ${ANNOTATION_LIMITS.name} are allowed`;
  const measure = new Measure();
  for (const part of Object.values(content)) if (part !== undefined) measure.value(part, 0);
  return measure.problem;
}

/** A text for readers of the log: `score quality=0.9, tag golden, comment`. */
function summaryOf({ scores = {}, tags = [], withdraws = [], ...others }: Annotation): string {
  const text = [
    ...(withdraws.length > 0 ? ['an annotation was withdrawn'] : []),
    ...Object.entries(scores).map(([name, score]) => `score ${name}=${score}`),
    ...tags.map((tag) => `tag ${tag}`),
    ...Object.entries(others).flatMap(([name, value]) =>
      value === undefined || ABOUT_ITSELF.has(name) ? [] : [name],
    ),
  ].join(', ');
  return text.length > SUMMARY_CHARACTERS ? `${text.slice(0, SUMMARY_CHARACTERS)}…`.toWellFormed() : text;
}

/** Returns the record of a new annotation, or what is wrong with its target or content. */
export function annotationRecord(
  target: AnnotationTarget,
  content: Annotation,
  origin: LineOrigin,
): LogRecord | { readonly invalid: string } {
  const problem = problemOf(target, content);
  if (problem !== undefined) return { invalid: problem };
  return {
    deployment: origin.deployment,
    environment: origin.environment,
    replica: origin.replica,
    source: origin.source,
    pod: '',
    modelId: '',
    seq: 0,
    kind: 'annotation',
    timeNs: nowNs(),
    severity: SEVERITY.info,
    message: summaryOf(content),
    requestId: 'requestId' in target ? target.requestId : '',
    traceId: 'traceId' in target ? target.traceId : '',
    spanId: 'traceId' in target ? (target.spanId ?? '') : '',
    parentSpanId: '',
    status: 0,
    durationNs: 0,
    attributes: JSON.stringify({
      ...('seq' in target ? { [TARGET_SEQ]: target.seq } : {}),
      [CONTENT]: content,
    }),
  };
}

/** The content of an annotation, as it was stored. Parts of another form are left out. */
export function readAnnotation(content: unknown): Annotation {
  if (!isPlainObject(content)) return {};
  const read: { -readonly [K in keyof Annotation]: Annotation[K] } = {};
  for (const name of ['feedback', 'metadata'] as const)
    if (isPlainObject(content[name])) read[name] = content[name];
  const { scores, comment, tags, fields, id, author, withdraws } = content;
  if (typeof id === 'string') read.id = id;
  if (typeof author === 'string') read.author = author;
  if (isTagList(withdraws)) read.withdraws = withdraws;
  if (isPlainObject(scores))
    read.scores = Object.fromEntries(
      Object.entries(scores).filter((entry): entry is [string, number | null] => isScore(entry[1])),
    );
  if (typeof comment === 'string') read.comment = comment;
  if (Object.hasOwn(content, 'expected')) read.expected = content['expected'];
  if (isTagList(tags)) read.tags = tags;
  if (isPlainObject(fields))
    read.fields = Object.fromEntries(Object.entries(fields).filter(([name]) => !isAnnotationName(name)));
  return read;
}

/** The annotations that no later one has withdrawn. `all`: those of one record, in the order of storing. */
export function standing<A extends Annotation>(all: readonly A[]): readonly A[] {
  const withdrawn = new Set(all.flatMap(({ withdraws = [] }) => withdraws));
  return withdrawn.size === 0 ? all : all.filter(({ id }) => id === undefined || !withdrawn.has(id));
}

/** The content of a record of kind `annotation`; `undefined` for other kinds. */
export function annotationOf(record: Pick<LogRecord, 'kind' | 'attributes'>): Annotation | undefined {
  return record.kind === 'annotation' ? readAnnotation(attributesOf(record)[CONTENT]) : undefined;
}

/** Facts of a record that annotations find it by. */
type TargetFacts = Pick<LogRecord, 'requestId' | 'traceId' | 'spanId'>;

const requestKey = (id: string): string => `request ${id}`;
export const traceKey = (id: string): string => `trace ${id}`;
const spanKey = (traceId: string, spanId: string): string => `span ${traceId} ${spanId}`;
const seqKey = (seq: number): string => `seq ${seq}`;

/** Name of the target of an annotation; `undefined`: it has none. */
export function targetKeyOf(annotation: TargetFacts & Pick<LogRecord, 'attributes'>): string | undefined {
  const { requestId, traceId, spanId } = annotation;
  if (requestId !== '') return requestKey(requestId);
  if (traceId !== '') return spanId === '' ? traceKey(traceId) : spanKey(traceId, spanId);
  const seq = attributesOf(annotation)[TARGET_SEQ];
  return typeof seq === 'number' ? seqKey(seq) : undefined;
}

/** All names by which annotations can have this record as their target. */
export function keysOf({ seq, kind, requestId, traceId, spanId }: LogRecord): string[] {
  const keys = [seqKey(seq)];
  const isRequest = kind === 'request';
  if (isRequest && requestId !== '') keys.push(requestKey(requestId));
  if (isRequest && traceId !== '') keys.push(traceKey(traceId));
  if ((isRequest || kind === 'span') && traceId !== '' && spanId !== '') keys.push(spanKey(traceId, spanId));
  return keys;
}

/** What a name of a target says. */
export function readKey(key: string): AnnotationTarget {
  const [kind, id, spanId] = key.split(' ') as [string, string, string | undefined];
  if (kind === 'seq') return { seq: Number(id) };
  if (kind === 'request') return { requestId: key.slice('request '.length) };
  return spanId === undefined ? { traceId: id } : { traceId: id, spanId };
}
