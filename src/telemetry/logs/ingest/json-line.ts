// Reads a log line that is a JSON object: level, message, time and ids become fields, the rest attributes.
// Invariant: no value is lost; a value that does not fit its name, such as an unknown level, stays an attribute.
import { isRequestId, spanIdIn, traceIdIn, type ParsedLine } from './parsed-line.ts';
import { severityOfName, severityOfPino, severityOfPython } from '../severity.ts';
import { timeOf } from './timestamp.ts';

type Role = 'level' | 'message' | 'time' | 'exception' | 'request' | 'trace' | 'span' | 'logger';

/** Names of each role, in order of preference. Names that begin with a capital letter are looked up in lower case. */
const NAMES: Readonly<Record<Role, string>> = {
  level:
    'levelname level severity lvl log.level severity_text severitytext @l ' +
    'levelno level_number severity_number severityNumber',
  message: 'message msg event body short_message @m',
  time: 'asctime timestamp time ts @timestamp @t datetime',
  exception: 'exc_info exception stack error.stack error.stack_trace stack_trace stacktrace traceback',
  request: 'request_id requestId requestid x-baseten-request-id x-request-id',
  trace: 'trace_id traceId traceid trace.id dd.trace_id otelTraceID',
  span: 'span_id spanId spanid span.id dd.span_id otelSpanID',
  logger: 'logger logger_name log.logger',
};

const ROLES = new Map<string, { readonly role: Role; readonly rank: number }>(
  (Object.keys(NAMES) as Role[]).flatMap((role) =>
    NAMES[role].split(' ').map((name, rank) => [name, { role, rank }]),
  ),
);

/** Names that only Python loggers write. They decide, since the level numbers of Python and pino overlap. */
const OF_PYTHON = ['levelname', 'asctime', 'lineno', 'funcName', 'exc_info'];

/** Whole numbers of 16 digits and more, which a double may not represent. They are kept as text. */
const LONG_NUMBER = /[:[,]\s{0,8}-?\d{16}/;
const keepLongNumbers = (_key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? (context?.source ?? value)
    : value;

/** Parses a JSON object; `undefined` for every other text. */
export function jsonObject(text: string): Record<string, unknown> | undefined {
  if (text.charCodeAt(0) !== 0x7b || !text.trimEnd().endsWith('}')) return undefined;
  try {
    return JSON.parse(text, LONG_NUMBER.test(text) ? keepLongNumbers : undefined) as Record<string, unknown>;
  } catch (error) {
    // RangeError: too deeply nested for the reviver.
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Reads the fields of the object. `text` is the message if the object has none. */
export function readObject(object: Record<string, unknown>, text: string, nowNs: bigint): ParsedLine {
  const named = new Map<Role, string[]>();
  for (const key of Object.keys(object)) {
    const found = ROLES.get(key) ?? (/^[A-Z]/.test(key) ? ROLES.get(key.toLowerCase()) : undefined);
    if (found === undefined) continue;
    const keys = named.get(found.role);
    if (keys === undefined) named.set(found.role, [key]);
    else keys.push(key);
  }
  const used = new Set<string>();
  /** Reads the value of a role from its first key, by rank, whose value fits. */
  const pick = <T>(role: Role, read: (value: unknown, key: string) => T | undefined): T | undefined => {
    const keys = named.get(role);
    if (keys === undefined) return undefined;
    if (keys.length > 1) keys.sort((a, b) => rankOf(a) - rankOf(b));
    for (const key of keys) {
      const value = read(object[key], key);
      if (value === undefined) continue;
      used.add(key);
      return value;
    }
    return undefined;
  };
  const isOfPython = OF_PYTHON.some((key) => Object.hasOwn(object, key));
  const attributes: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const severity = pick('level', (value, key) => severityOf(value, key, isOfPython)) ?? 0;
  const message = pick('message', messageOf);
  const timeNs = pick('time', (value) => timeOf(value, nowNs));
  const exception = pick('exception', messageOf);
  const logger = pick('logger', messageOf);
  const requestId = pick('request', (value) => (isRequestId(value) ? value : undefined)) ?? '';
  const traceId = pick('trace', traceIdIn) ?? '';
  const spanId = pick('span', spanIdIn) ?? '';
  // First, since the last attributes are dropped if there are too many.
  if (exception !== undefined) attributes['exc_info'] = exception;
  if (logger !== undefined) attributes['logger'] = logger;
  for (const key of Object.keys(object)) if (!used.has(key)) attributes[key] = object[key];
  return {
    severity,
    message: message ?? nestedMessage(attributes) ?? text,
    timeNs,
    requestId,
    traceId,
    spanId,
    attributes,
  };
}

const rankOf = (key: string): number => (ROLES.get(key) ?? ROLES.get(key.toLowerCase()))!.rank;

function severityOf(value: unknown, key: string, isOfPython: boolean): number | undefined {
  const number = typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : value;
  if (typeof number === 'string') return severityOfName(number) || undefined;
  if (typeof number !== 'number') return undefined;
  if (/^severity.?number$/i.test(key))
    return Number.isInteger(number) && number >= 1 && number <= 24 ? number : undefined;
  const isPython = isOfPython || key === 'levelno' || key === 'level_number';
  return (isPython ? severityOfPython(number) : severityOfPino(number)) || undefined;
}

/** A text, or another value as JSON; `undefined` for the empty text, null and booleans. */
const messageOf = (value: unknown): string | undefined =>
  typeof value === 'string'
    ? value || undefined
    : value === null || value === undefined || typeof value === 'boolean'
      ? undefined
      : textOf(value);

function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // Too deeply nested.
    throw error;
  }
}

/** Moves the message out of `fields`, where the tracing library of Rust puts it. */
function nestedMessage(attributes: Record<string, unknown>): string | undefined {
  const { fields } = attributes;
  if (typeof fields !== 'object' || fields === null || !Object.hasOwn(fields, 'message')) return undefined;
  const { message, ...others } = fields as Record<string, unknown>;
  if (typeof message !== 'string') return undefined;
  attributes['fields'] = others;
  return message;
}
