// What completes a query: names of fields, values with their counts, questions of before.
// Invariant: values are those of the scope and time that the page shows; answers are kept for 30 s.
import { QUERY_NAMES } from '../../src/telemetry/logs/query/grammar.ts';
import { get } from '../api/client.ts';
import { grouped } from '../formats.ts';
import { written, type CaretSpot } from './query-text.ts';
import { questions } from './questions.ts';

/** An offer of the list under the query bar. */
export interface Offer {
  /** Text that takes the place of the spot. */
  readonly text: string;
  readonly shown: string;
  readonly note: string;
  readonly count: string;
  /** Heading of its group. */
  readonly group: string;
  /** Address to go to, instead of text. */
  readonly address?: string;
}

const FRESH_MS = 30_000;
const MOST = 12;

const answers = new Map<string, { readonly atMs: number; readonly value: unknown }>();

async function cached<T>(
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<T | undefined> {
  const key = `${path} ${JSON.stringify(query)}`;
  const known = answers.get(key);
  if (known !== undefined && Date.now() - known.atMs < FRESH_MS) return known.value as T;
  const answer = await get<T>(path, { query, signal });
  if (!answer.ok) return undefined;
  if (answers.size > 200) answers.clear();
  answers.set(key, { atMs: Date.now(), value: answer.value });
  return answer.value;
}

const WHAT: Readonly<Record<string, string>> = {
  text: 'text',
  hex: 'id',
  method: 'method',
  kind: 'kind',
  level: 'level',
  status: 'status, such as 503 or 5xx',
  duration: 'duration, such as >2s',
  ms: 'duration, such as >150ms',
  number: 'number, such as >100',
  message: 'words of the message',
  includes: 'text in the message; case matters',
};

const FIELD_NAMES: readonly (readonly [name: string, what: string])[] = [
  ...QUERY_NAMES.fields.map(({ names, values }) => [names[0]!, WHAT[values] ?? ''] as const),
  ...QUERY_NAMES.annotations.map(
    ({ name, hasMembers }) => [hasMembers ? `${name}.` : name, 'annotation'] as const,
  ),
];

interface FieldsJson {
  readonly attributes: readonly { readonly name: string; readonly count: number }[];
}

interface ValuesJson {
  readonly values: readonly { readonly value: string; readonly count: number }[];
}

const begins = (text: string, typed: string): boolean => text.toLowerCase().startsWith(typed.toLowerCase());

/** Names that begin as the typed text does, then those that contain it. */
function fitting<T>(all: readonly T[], typed: string, nameOf: (one: T) => string): T[] {
  const first = all.filter((one) => begins(nameOf(one), typed));
  const others = all.filter(
    (one) =>
      !first.includes(one) && typed.length > 1 && nameOf(one).toLowerCase().includes(typed.toLowerCase()),
  );
  return [...first, ...others].slice(0, MOST);
}

async function fieldOffers(
  typed: string,
  scope: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly Offer[]> {
  const fields = fitting(FIELD_NAMES, typed, ([name]) => name).map(([name, what]) => ({
    text: name.endsWith('.') ? name : `${name}:`,
    shown: name,
    note: what,
    count: '',
    group: 'Fields',
  }));
  if (typed === '') return fields.slice(0, 8);
  const known = await cached<FieldsJson>('/v1/logs/fields', scope, signal);
  const names = (known?.attributes ?? []).filter(
    ({ name }) => !FIELD_NAMES.some(([field]) => field === name),
  );
  return [
    ...fields,
    ...fitting(names, typed, ({ name }) => name).map(({ name }) => ({
      text: `${name}:`,
      shown: name,
      note: 'attribute',
      count: '',
      group: 'Attributes',
    })),
  ].slice(0, MOST);
}

const FIXED: Readonly<Record<string, readonly string[]>> = {
  level: QUERY_NAMES.levels.filter((one) => !['warning', 'notice', 'critical'].includes(one)),
  status: ['2xx', '4xx', '499', '5xx'],
  kind: QUERY_NAMES.kinds,
};

async function valueOffers(
  { field, typed, start, termStart }: Extract<CaretSpot, { kind: 'value' }>,
  text: string,
  scope: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly Offer[]> {
  const known = QUERY_NAMES.fields.find(({ names }) =>
    names.some((name) => name.toLowerCase() === field.toLowerCase()),
  );
  const isFree =
    known !== undefined && ['duration', 'ms', 'number', 'message', 'includes'].includes(known.values);
  const name = known?.names[0] ?? field;
  const answer = isFree
    ? undefined
    : await cached<ValuesJson>(
        `/v1/logs/fields/${encodeURIComponent(name === 'severity' ? 'level' : name)}/values`,
        scope,
        signal,
      );
  if (signal.aborted) return [];
  const counted = new Map((answer?.values ?? []).map(({ value, count }) => [lowered(name, value), count]));
  const fixed = name === 'cause' ? QUERY_NAMES.causes : (FIXED[name] ?? []);
  const all = [...new Set([...counted.keys(), ...fixed])];
  const values = fitting(all, typed, (value) => value).map((value) => ({
    text: written(value),
    shown: value,
    note: '',
    count: counted.has(value) ? grouped(counted.get(value)!) : '',
    group: `${name}: values of the time shown`,
  }));
  const operator = text.slice(termStart + field.length, start);
  if (operator !== ':' || isFree) return values;
  const or = (shown: string, note: string, by: string): Offer => ({
    text: by,
    shown,
    note,
    count: '',
    group: 'Or',
  });
  return [
    ...values,
    ...(typed === '' ? [or(`${field}:*`, `has a ${field}`, '*')] : []),
    ...(typed !== '' && !typed.includes('*') && !['level', 'status', 'kind'].includes(name)
      ? [or(`${field}:${typed}*`, `begins with ${typed}`, `${typed}*`)]
      : []),
  ];
}

/** A level as the query bar writes it. */
const lowered = (name: string, value: string): string => (name === 'level' ? value.toLowerCase() : value);

/** What an id may be, offered before it is searched as a word. */
function idOffers(text: string): readonly Offer[] {
  const id = text.trim();
  const what =
    /^[0-9a-f]{37}$/.test(id) || /^[0-9a-f-]{36}$/.test(id)
      ? 'Open the request'
      : /^[0-9a-f]{32}$/.test(id)
        ? 'Open the trace'
        : undefined;
  if (what === undefined) return [];
  return [
    {
      text: id,
      shown: what,
      note: id,
      count: '',
      group: 'An id',
      address: `/ui/id/${encodeURIComponent(id)}`,
    },
  ];
}

/** Offers for the caret. `scope`: environment, deployment and time as parameters of the API. */
export async function offersAt(
  text: string,
  spot: CaretSpot,
  scope: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly Offer[]> {
  if (spot.kind === 'value') return valueOffers(spot, text, scope, signal);
  const ids = idOffers(text);
  if (ids.length > 0) return ids;
  if (text.trim() === '')
    return [
      ...questions()
        .slice(0, 6)
        .map((one) => ({ text: one, shown: one, note: '', count: '', group: 'Recent queries' })),
      ...(await fieldOffers('', scope, signal)),
    ];
  return spot.typed === '' ? [] : fieldOffers(spot.typed, scope, signal);
}
