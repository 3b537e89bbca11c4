// A line that is a JSON object, understood: level, message, time, ids; the rest are attributes.
// Must stay true: whatever a line says is found again, in a field or in an attribute of its own name; what cannot be
// what its name says (a level nobody knows, a time in the far future) stays an attribute.
import { isRequestId, spanIdIn, traceIdIn, type ParsedLine } from './parsed-line.ts';
import { severityOfName, severityOfPino, severityOfPython } from '../severity.ts';
import { timeOf } from './timestamp.ts';

type Role = 'level' | 'message' | 'time' | 'exception' | 'request' | 'trace' | 'span' | 'logger';

/** Names of each role, the one that counts first in front. Names that begin with a capital are looked up in small. */
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

/** Numbers of Python's logging and of pino overlap: these names only Python's loggers write. */
const OF_PYTHON = ['levelname', 'asctime', 'lineno', 'funcName', 'exc_info'];

/** Whole numbers of 16 digits and more, which a double may not hold. */
const LONG_NUMBER = /[:[,]\s{0,8}-?\d{16}/;
const keepLongNumbers = (_key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? (context?.source ?? value)
    : value;

/** The object that the text is; `undefined` for everything else, a broken one too. */
export function jsonObject(text: string): Record<string, unknown> | undefined {
  if (text.charCodeAt(0) !== 0x7b || !text.trimEnd().endsWith('}')) return undefined;
  try {
    return JSON.parse(text, LONG_NUMBER.test(text) ? keepLongNumbers : undefined) as Record<string, unknown>;
  } catch (error) {
    // RangeError: nested so deep that its values cannot be visited.
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** What the object says. `text` is the message of one that has none of its own. */
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
  /** The first of a role's keys, by rank, whose value can be what its name says. */
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
  // The traceback comes first: it is the last to be left out where there is too much.
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

/** Text, or what else stands for it as JSON; nothing and the empty say nothing. */
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
    if (error instanceof RangeError) return undefined; // Nested too deep.
    throw error;
  }
}

/** Loggers of Rust (tracing) keep the message in `fields`: taken out of there. */
function nestedMessage(attributes: Record<string, unknown>): string | undefined {
  const { fields } = attributes;
  if (typeof fields !== 'object' || fields === null || !Object.hasOwn(fields, 'message')) return undefined;
  const { message, ...others } = fields as Record<string, unknown>;
  if (typeof message !== 'string') return undefined;
  attributes['fields'] = others;
  return message;
}
