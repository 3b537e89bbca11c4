// A destination: the settings of an OTLP receiver, how they are validated, and what of them is shown.
// Invariant: a validated destination has a usable URL and headers, and its header values appear in requests to it only.
import { networkInterfaces } from 'node:os';
import { nearest } from '../../core/nearest-name.ts';
import { keysAt, read } from '../../core/read-settings.ts';
import { choice, flag, required, section, text, wordList, type Settings } from '../../core/settings.ts';
import { encodings } from '../../protocol/otlp/codec.ts';

/** Attributes that are sent by default (docs/contracts/serving.md 8.3). */
const CONTRACT_ATTRIBUTES: readonly string[] = [
  'message',
  'model_id',
  'model_version_id',
  'environment',
  'replica',
  'request_id',
  'training_job_id',
  'chainlet_id',
  'exc_info',
];

/** Replaces header values in output. As input it means the current value. */
const HIDDEN = '***';

/** Headers that weir sets itself. */
const OWN_HEADERS = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'expect',
  'upgrade',
  'te',
  'trailer',
]);
const MAX_URL = 2048;
const MAX_HEADERS = 16;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
/** Visible characters with spaces inside, which Node sends unchanged. */
const HEADER_VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,8190}[!-~\x80-\xff])?)?$/;

const schema = section({
  name: text({ default: '', pattern: /^[^\p{Cc}]{0,100}$/u, like: 'up to 100 characters', doc: '' }),
  signal: choice(['logs', 'traces'], { default: 'logs', doc: '' }),
  endpoint_url: required('a URL such as https://otlp.example.com/v1/logs', '', readUrl, String),
  header_name: text({ default: '', doc: '' }),
  header_value: text({ default: '', doc: '', show: () => HIDDEN }),
  encoding: choice(encodings, { default: 'protobuf', doc: '' }),
  compression: choice(['gzip', 'none'], { default: 'gzip', doc: '' }),
  attributes: wordList({
    default: CONTRACT_ATTRIBUTES,
    pattern: /^\S{1,128}$/,
    like: 'names of attributes',
    doc: '',
  }),
  min_level: choice(['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'], { default: '', doc: '' }),
  query: text({ default: '', pattern: /^[^]{0,4096}$/, like: 'up to 4096 characters', doc: '' }),
  service_name: text({
    default: 'baseten',
    pattern: /^[^\p{Cc}]{1,256}$/u,
    like: '1 to 256 characters',
    doc: '',
  }),
  start_from: text({
    default: 'now',
    pattern: /^(now|earliest|\d{1,15})$/,
    like: 'now, earliest or the sequence number of a record',
    doc: '',
  }),
  enabled: flag({ default: true, doc: '' }),
});

/** A destination with its secrets. `query`: in the query language of log search; empty: all records. */
export type Destination = Settings<typeof schema> & {
  readonly id: string;
  /** Further headers, by name. */
  readonly headers: Readonly<Record<string, string>>;
};

/** A destination without its id. */
export type DestinationSettings = Omit<Destination, 'id'>;

/** Validates the settings of a destination. With `before`, the input changes only the settings that it contains. */
export function parseDestination(
  input: unknown,
  before?: DestinationSettings,
): { readonly settings: DestinationSettings } | { readonly problems: readonly string[] } {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return {
      problems: [
        'a connection must be a JSON object such as {"endpoint_url": "https://otlp.example.com/v1/logs"}',
      ],
    };
  const given: Record<string, unknown> = Object.assign(Object.create(null), before, input);
  for (const [name, value] of Object.entries(input)) {
    // null resets a setting to its default.
    if (value === null) delete given[name];
    if (name === 'header_value' && value === HIDDEN) given[name] = before?.header_value ?? HIDDEN;
  }
  const { headers: givenHeaders = {}, ...rest } = given;
  const result = read(schema, rest);
  const problems = result.ok ? [] : result.problems.flatMap(problemTexts);
  const headers = readHeaders(givenHeaders, before?.headers ?? {}, problems);
  if (!result.ok || problems.length > 0) return { problems };
  const settings: DestinationSettings = { ...result.settings, headers };
  problems.push(...contradictions(settings));
  return problems.length > 0 ? { problems } : { settings };
}

/** An unknown field is named with the known field that is nearest to it. */
function problemTexts({
  path,
  message,
  unknown,
}: {
  path: readonly (string | number)[];
  message: string;
  unknown?: readonly string[];
}): string[] {
  if (unknown === undefined) return [`${path.join('.')} ${message}`];
  const known = [...keysAt(schema, []), 'headers'];
  return unknown.map((key) => {
    const near = nearest(key, known);
    const hint = near === undefined ? `known fields: ${known.join(', ')}` : `did you mean "${near}"?`;
    return `unknown field ${JSON.stringify(key.slice(0, 80))}; ${hint}`;
  });
}

function contradictions({ header_name: name, header_value: value, headers }: DestinationSettings): string[] {
  const problems: string[] = [];
  if (name !== '' || value !== '') problems.push(...headerProblems('header_name', name, value));
  if (name !== '' && value === '') problems.push(`header_value is missing for header ${name}`);
  if (Object.keys(headers).some((other) => other.toLowerCase() === name.toLowerCase()))
    problems.push(`header ${name} is in both headers and header_name; remove one of them`);
  return problems;
}

function readHeaders(
  given: unknown,
  before: Readonly<Record<string, string>>,
  problems: string[],
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    problems.push('headers must be an object of header names and values');
    return headers;
  }
  const entries = Object.entries(given);
  if (entries.length > MAX_HEADERS)
    problems.push(`headers has ${entries.length} headers; the maximum is ${MAX_HEADERS}`);
  for (const [name, input] of entries.slice(0, MAX_HEADERS)) {
    const value: unknown = input === HIDDEN && Object.hasOwn(before, name) ? before[name] : input;
    if (typeof value !== 'string')
      problems.push(`the value of header ${JSON.stringify(name)} must be a string`);
    else {
      problems.push(...headerProblems('a header name in headers', name, value));
      headers[name] = value;
    }
  }
  return headers;
}

/** Problems of a header. They never contain its value. */
function headerProblems(where: string, name: string, value: string): string[] {
  const problems: string[] = [];
  // `__proto__` as a key of an object literal sets the prototype, so the header would be lost.
  if (!HEADER_NAME.test(name) || name === '__proto__')
    problems.push(
      `${where} is ${JSON.stringify(name.slice(0, 80))}, must be a header name such as Authorization`,
    );
  else if (OWN_HEADERS.has(name.toLowerCase()))
    problems.push(`${where} is ${name}; weir sets this header itself`);
  if (value === HIDDEN)
    problems.push(`the value of header ${name} is ${HIDDEN}, which is a placeholder; give the value itself`);
  else if (!HEADER_VALUE.test(value))
    problems.push(
      `the value of header ${name} must have at most 8192 visible characters, no line break, and no space at either end`,
    );
  return problems;
}

/** The URL in normalized form, so that the URL that is shown is the URL that is called. */
function readUrl(input: string): { value: string } | { problem: string } {
  const url = input.length > MAX_URL || /[\s\\]/.test(input) ? null : URL.parse(input);
  if (url === null || url.hostname === '' || !/^https?:$/.test(url.protocol))
    return { problem: 'must be a URL such as https://otlp.example.com/v1/logs' };
  if (url.username !== '' || url.password !== '')
    return { problem: 'must not contain a user name or password; use header_name and header_value' };
  if (url.hash !== '') return { problem: 'must not have a fragment (#…)' };
  return { value: url.href };
}

/** Why a URL is rejected, or ''. A URL of weir itself is rejected, since each export would create new records. */
export function urlProblem(endpointUrl: string, ownPorts: readonly number[]): string {
  const url = new URL(endpointUrl);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isThisMachine =
    /^(localhost\.?|127\.[\d.]+|0\.0\.0\.0|::1?|::ffff:7f[0-9a-f:]+)$/.test(host) ||
    Object.values(networkInterfaces()).some((own) => own?.some(({ address }) => address === host));
  return isThisMachine && ownPorts.includes(port) ? 'endpoint_url must not point to weir itself' : '';
}

/** All headers, with their values. */
export const headersOf = ({
  header_name,
  header_value,
  headers,
}: DestinationSettings): Record<string, string> =>
  header_name === '' ? { ...headers } : { ...headers, [header_name]: header_value };

/**
 * Problems of a change that lacks header values. It must contain all of them if it points to another host, since the
 * client may not know the stored ones, or if the destination cannot be used. `problem`: why it cannot be used, or ''.
 */
export function missingSecrets(
  before: DestinationSettings,
  after: DestinationSettings,
  input: Readonly<Record<string, unknown>>,
  problem: string,
): string[] {
  const isElsewhere = new URL(before.endpoint_url).origin !== new URL(after.endpoint_url).origin;
  if (!isElsewhere && problem === '') return [];
  const isGiven = (value: unknown): boolean => typeof value === 'string' && value !== HIDDEN;
  const names = Object.keys(headersOf(after)).filter((name) =>
    name === after.header_name
      ? !isGiven(input['header_value'])
      : !isGiven((input['headers'] as Record<string, unknown> | undefined)?.[name]),
  );
  const reason = isElsewhere
    ? 'endpoint_url points to another host'
    : `this connection cannot be used (${problem})`;
  return names.map((name) => `${reason}; the change must include the value of header ${name}`);
}

/** Replaces all header values in a text, such as an error message of the receiver. */
export function scrub(text: string, destination: DestinationSettings): string {
  const parts = Object.values(headersOf(destination))
    // Includes the part after `Bearer`. Parts below 4 characters are not secret and occur in any text.
    .flatMap((value) => [value, ...value.split(/\s+/)])
    .filter((part) => part.length >= 4)
    // Longest first, since one part may be the start of another.
    .sort((a, b) => b.length - a.length);
  return parts.reduce((clean, part) => clean.replaceAll(part, HIDDEN), text);
}

/** The settings with header values hidden. */
export const withoutSecrets = ({
  header_value,
  headers,
  ...rest
}: DestinationSettings): Record<string, unknown> => ({
  ...rest,
  header_value: header_value === '' ? '' : HIDDEN,
  headers: Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN])),
});
