// The names of fields that the query bar knows, as people write them.
// Must stay true: a name is found in any case of letters, with or without _ and -; what is not found here is an attribute
// under exactly the name that was written.
import { nearest } from '../../../core/nearest-name.ts';

/** How a field's values are written. `text`: as they are; `hex`: lower case; `method`: upper case. */
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
  /** As a node names it: a field of the record, or an attribute. */
  readonly name: string;
  readonly values: FieldValues;
}

/** Fields of the record itself; a node's name that is none of these is an attribute's. */
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
] as const;
/** Of numbers, 0 means that there is none: no comparison holds. */
export const NUMBER_COLUMNS = ['severity', 'status', 'durationNs'] as const;

const COLUMNS: ReadonlySet<string> = new Set([...TEXT_COLUMNS, ...NUMBER_COLUMNS]);
export const isColumn = (name: string): boolean => COLUMNS.has(name);

/** Name, how its values are written, synonyms. The first synonym is the one that help speaks of. */
const TABLE: readonly (readonly [name: string, values: FieldValues, ...synonyms: string[]])[] = [
  ['requestId', 'text', 'requestId', 'request', 'rid'],
  ['traceId', 'hex', 'traceId', 'trace'],
  ['spanId', 'hex', 'spanId', 'span'],
  ['parentSpanId', 'hex', 'parentSpanId'],
  ['severity', 'level', 'level', 'severity', 'levelname'],
  ['replica', 'text', 'replica'],
  ['environment', 'text', 'environment', 'env'],
  ['deployment', 'text', 'deployment', 'deploymentId'],
  ['source', 'text', 'source'],
  ['kind', 'kind', 'kind'],
  ['status', 'status', 'status', 'statusCode'],
  ['durationNs', 'duration', 'duration'],
  ['message', 'message', 'message', 'msg'],
  ['includes', 'includes', 'includes'],
  ['method', 'method', 'method'],
  ...(['path', 'protocol', 'cause', 'detail', 'remote', 'model', 'logger', 'event'] as const).map(
    (name) => [name, 'text', name] as const,
  ),
  ['exc_info', 'text', 'exc_info'],
  ['queue_ms', 'ms', 'queue_ms', 'queue'],
  ['head_ms', 'ms', 'head_ms', 'head'],
  ['first_byte_ms', 'ms', 'first_byte_ms', 'first_byte', 'ttft'],
  ['request_bytes', 'number', 'request_bytes'],
  ['response_bytes', 'number', 'response_bytes'],
  ['attempts', 'number', 'attempts'],
  ['input_tokens', 'number', 'input_tokens', 'prompt_tokens'],
  ['output_tokens', 'number', 'output_tokens', 'completion_tokens'],
  ['total_tokens', 'number', 'total_tokens', 'tokens'],
  ['is_sampled', 'text', 'is_sampled'],
  ['is_cut', 'text', 'is_cut'],
  ['has_bodies', 'text', 'has_bodies'],
];

/** Every field with its names, the usual one first, for the docs. */
export const QUERY_FIELDS: readonly { readonly names: readonly string[]; readonly values: FieldValues }[] =
  TABLE.map(([, values, ...names]) => ({ names, values }));

const fold = (key: string): string => key.toLowerCase().replace(/[_-]/g, '');

const BY_KEY: ReadonlyMap<string, QueryField> = new Map(
  TABLE.flatMap(([name, values, ...synonyms]) =>
    synonyms.map((key) => [fold(key), { name, values }] as const),
  ),
);
const FIRST_NAMES = TABLE.map(([, , first]) => first!);

export const fieldOf = (key: string): QueryField | undefined => BY_KEY.get(fold(key));

/** The field that was probably meant by a key that is none; short keys and paths of attributes are left alone. */
export const meantBy = (key: string): string | undefined =>
  key.length < 4 || key.includes('.') ? undefined : nearest(key, FIRST_NAMES);

/** An attribute's name in a node: `@` before it where a field of the record has the same. */
export const attributeName = (name: string): string =>
  isColumn(name) || name.startsWith('@') ? `@${name}` : name;
