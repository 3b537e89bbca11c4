// Reads the flags of weir logs.
// Invariant: names, defaults and meanings are those of docs/contracts/serving.md 8.2; all mistakes are reported at once.
import { parseArgs } from 'node:util';
import { nearest, unknownName } from '../../core/nearest-name.ts';
import { invalidTime, LATEST_NS, parseTime } from '../../core/time.ts';
import { invalidDuration, parseDuration } from '../../core/units.ts';
import { clientFiles, type ClientFiles } from '../client-tls.ts';
import { adminAccess, type AdminAccess } from './admin-client.ts';

export const OUTPUTS = ['text', 'json', 'jsonl', 'csv', 'none'] as const;
export type OutputFormat = (typeof OUTPUTS)[number];
const COLORS = ['auto', 'always', 'never'] as const;
export type ColorMode = (typeof COLORS)[number];

/** The search and its output. */
export interface LogsArguments extends AdminAccess {
  /** Files for TLS. */
  readonly files: ClientFiles;
  readonly output: OutputFormat;
  readonly color: ColorMode;
  /** Maximum number of records, the newest; 0: no limit. With `isTail`: how many earlier records to begin with. */
  readonly limit: number;
  readonly isTail: boolean;
  /** Id of the wanted request; empty: any request. */
  readonly requestId: string;
  /** True: the time in the filters is that in `requestId`, which may be wrong, since no time was given. */
  readonly isAnyTime: boolean;
  /** Query parameters of the search. */
  readonly filters: readonly (readonly [name: string, value: string])[];
}

const one = { type: 'string' } as const;
const many = { type: 'string', multiple: true } as const;
const FLAGS = {
  url: one,
  key: one,
  'ca-file': one,
  'cert-file': one,
  'key-file': one,
  since: one,
  start: one,
  end: one,
  limit: one,
  'min-level': one,
  includes: many,
  excludes: many,
  'search-pattern': one,
  replica: one,
  'request-id': one,
  environment: one,
  deployment: one,
  pod: one,
  'deployment-id': one,
  'model-id': one,
  kind: one,
  query: { type: 'string', short: 'q' },
  output: { type: 'string', short: 'o' },
  tail: { type: 'boolean' },
  follow: { type: 'boolean', short: 'f' },
  color: one,
} as const;

/** Flags that are passed to the admin API unchanged. */
const PASSED = [
  'search-pattern',
  'replica',
  'request-id',
  'environment',
  'deployment',
  'pod',
  'deployment-id',
  'model-id',
] as const;
/** Flags of the contract → query parameters with other names. */
const PARAMETERS: Readonly<Record<string, string>> = { 'deployment-id': 'deployment' };
const LEVELS = ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'critical'];
const DEFAULT_LIMIT = 5000;
const DEFAULT_WINDOW_MS = 30 * 60_000;

/** A search for a request begins this long before the time in its id, since log lines may have another clock. */
const BEFORE_ID_MS = 10 * 60_000;
/** An id with an earlier time was not made by weir. */
const FIRST_ID_MS = Date.UTC(2020);

/**
 * Time in a request id of weir, in milliseconds since 1970: the first 12 of its 37 hex digits. `undefined` for other
 * ids.
 */
export function timeOfId(id: string, nowMs: number): number | undefined {
  const ms = /^[0-9a-f]{37}$/.test(id) ? parseInt(id.slice(0, 12), 16) : NaN;
  return ms >= FIRST_ID_MS && ms <= nowMs ? ms : undefined;
}

type Values = Partial<Record<keyof typeof FLAGS, string | string[] | boolean>>;

/** Reads the flags, or returns all mistakes. `env` may have the variables of CLIENT or OLD_CLIENT. */
export function readArguments(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  nowMs: number,
): LogsArguments | readonly string[] {
  const problems: string[] = [];
  const values = parse(args, problems);
  const text = (name: keyof typeof FLAGS): string | undefined => values[name] as string | undefined;
  const isTail = values.tail === true || values.follow === true;

  const output = OUTPUTS.find((known) => known === (text('output') ?? 'text'));
  if (!output)
    problems.push(
      `--output: unknown format ${JSON.stringify(text('output'))}; must be one of ${OUTPUTS.join(', ')}`,
    );
  if (isTail && (output === 'json' || output === 'csv'))
    problems.push(`--output ${output}: not possible with --tail, which has no end; use jsonl`);
  const limit = text('limit') === undefined ? (isTail ? 0 : DEFAULT_LIMIT) : Number(text('limit'));
  const most = isTail ? 1000 : Number.MAX_SAFE_INTEGER;
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > most)
    problems.push(
      `--limit: is ${JSON.stringify(text('limit'))}, must be a whole number${isTail ? ' up to 1000 with --tail' : '; 0 means no limit'}`,
    );
  const level = text('min-level')?.toLowerCase();
  if (level !== undefined && !LEVELS.includes(level))
    problems.push(`--min-level: ${unknownName('level', level, LEVELS)}`);
  const color = COLORS.find((known) => known === (text('color') ?? 'auto'));
  if (!color)
    problems.push(`--color: is ${JSON.stringify(text('color'))}, must be one of ${COLORS.join(', ')}`);
  if (text('deployment') !== undefined && text('deployment-id') !== undefined)
    problems.push('--deployment-id: means the same as --deployment; give only one of them');
  const target = adminAccess({ url: text('url'), key: text('key') }, env, problems);

  const filters: [string, string][] = [['kind', text('kind') ?? 'line,request,event']];
  if (level !== undefined) filters.push(['min_level', level]);
  for (const name of PASSED) {
    const value = text(name);
    if (value !== undefined) filters.push([PARAMETERS[name] ?? name.replace('-', '_'), value]);
  }
  for (const name of ['includes', 'excludes'] as const)
    for (const value of (values[name] as string[] | undefined) ?? []) filters.push([name, value]);
  const query = text('query');
  if (query !== undefined) filters.push(['q', query]);
  filters.push(...window(text, isTail, nowMs, problems));

  if (problems.length > 0 || !output || !color) return problems;
  const requestId = text('request-id') ?? '';
  return {
    ...target,
    files: clientFiles(text, env),
    output,
    color,
    limit,
    isTail,
    requestId,
    isAnyTime:
      requestId !== '' && !isTail && !(['since', 'start', 'end'] as const).some((name) => name in values),
    filters,
  };
}

/** Flags of a live tail. In other tools they take the number of lines to begin with. */
const TAILS: ReadonlySet<string> = new Set(['tail', 'follow']);
const limitHint = (value: string): string =>
  /^\d+$/.test(value) ? `; --limit ${value} sets how many records it begins with` : '';
const unexpected = (value: string, isAfterTail: boolean): string =>
  isAfterTail && /^\d+$/.test(value)
    ? `--tail: takes no value, and ${JSON.stringify(value)} was given${limitHint(value)}`
    : `unexpected argument ${JSON.stringify(value)}; see weir logs --help`;

function parse(args: readonly string[], problems: string[]): Values {
  const { tokens, values } = parseArgs({
    args: [...args],
    options: FLAGS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let wasUnknown = false;
  let wasTail = false;
  for (const token of tokens) {
    // The argument after an unknown flag is probably its value, and so not a second mistake.
    if (token.kind === 'positional' && !wasUnknown) problems.push(unexpected(token.value, wasTail));
    wasTail = token.kind === 'option' && TAILS.has(token.name);
    wasUnknown = token.kind === 'option' && !Object.hasOwn(FLAGS, token.name);
    if (token.kind === 'option') {
      const known = Object.keys(FLAGS).find((name) => name === token.name) as keyof typeof FLAGS | undefined;
      if (!known) {
        const near = nearest(token.name, Object.keys(FLAGS));
        problems.push(
          `unknown flag ${token.rawName}; ${near === undefined ? 'see weir logs --help' : `did you mean --${near}?`}`,
        );
      } else if (FLAGS[known].type === 'string' && token.value === undefined)
        problems.push(`${token.rawName}: needs a value`);
      else if (FLAGS[known].type === 'boolean' && token.value !== undefined)
        problems.push(`${token.rawName}: takes no value${TAILS.has(known) ? limitHint(token.value) : ''}`);
    }
  }
  return values as Values;
}

/** Start and end of the search; by default the last 30 minutes. */
function window(
  text: (name: 'since' | 'start' | 'end' | 'request-id') => string | undefined,
  isTail: boolean,
  nowMs: number,
  problems: string[],
): [string, string][] {
  const [since, start, end] = [text('since'), text('start'), text('end')];
  if (isTail) {
    if (since !== undefined || start !== undefined || end !== undefined)
      problems.push(
        '--tail: begins now, so it cannot be combined with --since, --start or --end; --limit 100 begins with the last 100',
      );
    return [];
  }
  if (since !== undefined && (start !== undefined || end !== undefined))
    problems.push('--since: cannot be combined with --start or --end');
  const span = since === undefined ? DEFAULT_WINDOW_MS : parseDuration(since);
  if (since !== undefined && span === undefined) problems.push(`--since: ${invalidDuration(since)}`);
  const time = (name: string, given: string | undefined): number | undefined => {
    if (given === undefined) return undefined;
    const ns = parseTime(given);
    if (ns === undefined) problems.push(`--${name}: ${invalidTime(given)}`);
    return ns === undefined ? undefined : Number(ns / 1_000_000n);
  };
  // There is always an end, since a search from the oldest record on would otherwise follow new records.
  const endMs = time('end', end) ?? nowMs;
  // All records of one request, of any time.
  const id = since === undefined ? text('request-id') : undefined;
  const idMs = id === undefined ? undefined : Math.max(0, (timeOfId(id, nowMs) ?? 0) - BEFORE_ID_MS);
  const startMs =
    time('start', start) ?? Math.min(idMs ?? Infinity, endMs - (id === undefined ? (span ?? 0) : 0));
  if (startMs > endMs) problems.push('--end: is before --start; swap them');
  // Includes the last millisecond whole.
  const endNs = BigInt(Math.max(0, Math.floor(endMs))) * 1_000_000n + 999_999n;
  return [
    ['start', String(BigInt(Math.max(0, Math.floor(startMs))) * 1_000_000n).padStart(19, '0')],
    ['end', String(endNs < LATEST_NS ? endNs : LATEST_NS).padStart(19, '0')],
  ];
}
