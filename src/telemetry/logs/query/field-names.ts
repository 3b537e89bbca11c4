// The field names of the query bar, with their synonyms.
// Invariant: a field is found in any letter case, with or without _ and -; every other name is that of an attribute.
import { nearest } from '../../../core/nearest-name.ts';

/** Form of a field's values. `text`: as written; `hex`: lower case; `method`: upper case; `ms`: a duration in ms. */
export type FieldValues =
  | 'text'
  | 'hex'
  | 'method'
  | 'kind'
  | 'level'
  | 'status'
  | 'duration'
  | 'ms'
  | 'number'
  | 'message'
  | 'includes';

export interface QueryField {
  /** Name in a query node: a column of the record, or an attribute. */
  readonly name: string;
  readonly values: FieldValues;
  /** Name that is used for a record without a value under `name`. */
  readonly fallback?: string | undefined;
}

/** Text fields of a record. A name in a node that is neither here nor in NUMBER_COLUMNS is that of an attribute. */
export const TEXT_COLUMNS = [
  'kind',
  'message',
  'requestId',
  'traceId',
  'spanId',
  'parentSpanId',
  'deployment',
  'environment',
  'replica',
  'source',
  'pod',
  'modelId',
] as const;
/** Number fields of a record. 0 means that the record has no value, so no comparison matches. */
const NUMBER_COLUMNS = ['severity', 'status', 'durationNs'] as const;

const COLUMNS: ReadonlySet<string> = new Set([...TEXT_COLUMNS, ...NUMBER_COLUMNS]);
export const isColumn = (name: string): boolean => COLUMNS.has(name);

/** Name in a node, form of the values, synonyms. Suggestions name the first synonym. */
const FIELDS: readonly (readonly [name: string, values: FieldValues, ...synonyms: string[]])[] = [
  ['requestId', 'text', 'requestId', 'request', 'rid'],
  ['traceId', 'hex', 'traceId', 'trace'],
  ['spanId', 'hex', 'spanId', 'span'],
  ['parentSpanId', 'hex', 'parentSpanId'],
  ['severity', 'level', 'level', 'severity', 'levelname'],
  ['replica', 'text', 'replica'],
  ['environment', 'text', 'environment', 'env'],
  ['deployment', 'text', 'deployment', 'deploymentId'],
  ['source', 'text', 'source'],
  ['pod', 'text', 'pod'],
  ['modelId', 'text', 'model_id'],
  ['kind', 'kind', 'kind'],
  ['status', 'status', 'status', 'statusCode'],
  ['durationNs', 'duration', 'duration'],
  ['message', 'message', 'message', 'msg'],
  ['includes', 'includes', 'includes'],
  ['method', 'method', 'method'],
  ...(
    [
      'path',
      'protocol',
      'http_version',
      'cause',
      'detail',
      'remote',
      'client_subject',
      'model',
      'logger',
      'event',
    ] as const
  ).map((name) => [name, 'text', name] as const),
  ['exc_info', 'text', 'exc_info'],
  ['queue_ms', 'ms', 'queue_ms', 'queue'],
  ['head_ms', 'ms', 'head_ms', 'head'],
  ['first_byte_ms', 'ms', 'first_byte_ms', 'first_byte'],
  ['first_token_ms', 'ms', 'first_token_ms', 'first_token'],
  ['request_bytes', 'number', 'request_bytes'],
  ['response_bytes', 'number', 'response_bytes'],
  ['attempts', 'number', 'attempts'],
  ['input_tokens', 'number', 'input_tokens', 'prompt_tokens'],
  ['output_tokens', 'number', 'output_tokens', 'completion_tokens'],
  ['total_tokens', 'number', 'total_tokens', 'tokens'],
  ['cached_tokens', 'number', 'cached_tokens'],
  ['reasoning_tokens', 'number', 'reasoning_tokens'],
  ['tokens_per_second', 'number', 'tokens_per_second', 'tps'],
  ['token_gap_ms', 'ms', 'token_gap_ms'],
  ['cost', 'number', 'cost'],
  ['response_model', 'text', 'response_model'],
  ['finish_reason', 'text', 'finish_reason', 'finish'],
  ['is_stream', 'text', 'is_stream'],
  ['is_finished', 'text', 'is_finished'],
  ['is_sampled', 'text', 'is_sampled'],
  ['is_cut', 'text', 'is_cut'],
  ['has_bodies', 'text', 'has_bodies'],
];

/**
 * Parts of annotations, by their short names. A short name finds the part of a record's annotations and the attribute of
 * the same name. `hasMembers`: a path can follow, as in `scores.quality`.
 */
export const ANNOTATION_FIELDS: readonly {
  readonly name: string;
  readonly path: string;
  readonly hasMembers: boolean;
}[] = [
  { name: 'scores', path: 'annotations.scores', hasMembers: true },
  { name: 'feedback', path: 'annotations.feedback', hasMembers: true },
  { name: 'metadata', path: 'annotations.metadata', hasMembers: true },
  { name: 'expected', path: 'annotations.expected', hasMembers: true },
  { name: 'tags', path: 'annotations.tags', hasMembers: false },
  { name: 'comment', path: 'annotations.comments', hasMembers: false },
];

/** Every field with its names, the usual one first, for the docs. */
export const QUERY_FIELDS: readonly { readonly names: readonly string[]; readonly values: FieldValues }[] = [
  ...FIELDS.map(([, values, ...names]) => ({ names, values })),
  { names: ['ttft'], values: 'ms' },
];

const normalize = (key: string): string => key.toLowerCase().replace(/[_-]/g, '');

const BY_SYNONYM: ReadonlyMap<string, QueryField> = new Map(
  FIELDS.flatMap(([name, values, ...synonyms]) =>
    synonyms.map((key) => [normalize(key), { name, values }] as const),
  ),
);
/** Time to the first token; of a request that is not to a language model, to the first byte of the body. */
const TTFT: QueryField = { name: 'first_token_ms', values: 'ms', fallback: 'first_byte_ms' };
const SUGGESTIONS = FIELDS.map(([, , first]) => first!);

export const findField = (key: string): QueryField | undefined =>
  normalize(key) === 'ttft' ? TTFT : BY_SYNONYM.get(normalize(key));

/** Path in the merged annotations of a record for a short name, also with a path behind it; `undefined`: it is none. */
export function annotationPath(key: string): string | undefined {
  const dot = key.indexOf('.');
  const head = dot === -1 ? key : key.slice(0, dot);
  const field = ANNOTATION_FIELDS.find(({ name }) => name === normalize(head));
  if (field === undefined || (dot !== -1 && !field.hasMembers)) return undefined;
  return dot === -1 ? field.path : `${field.path}${key.slice(dot)}`;
}

/** The field whose name is similar to an unknown key. Never for short keys and dotted paths, which are attributes. */
export const suggestField = (key: string): string | undefined =>
  key.length < 4 || key.includes('.') ? undefined : nearest(key, SUGGESTIONS);

/** Key of a group query and of a scan: true for a record that has the id of a parent span, null for others. */
export const HAS_PARENT = 'hasParentSpan';

/** Name of an attribute in a node. It begins with `@` if a field of the record has the same name. */
export const attributeName = (name: string): string =>
  isColumn(name) || name === HAS_PARENT || name.startsWith('@') ? `@${name}` : name;
