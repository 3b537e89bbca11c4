// Where records are sent to: what may be said of a destination, checked and in words, and what of it may be shown.
// Must stay true: what has passed here can be sent (no header that breaks a request, no URL that is none), and header
// values leave this room in requests to the destination alone.
import { networkInterfaces } from 'node:os';
import { nearest } from '../../core/nearest-name.ts';
import {
  choice,
  flag,
  keysAt,
  read,
  required,
  section,
  text,
  wordList,
  type Settings,
} from '../../core/settings.ts';
import { encodings } from '../../protocol/otlp/codec.ts';

/** What the contract's exporter says of a record (contracts/baseten.md 8.3). */
export const CONTRACT_ATTRIBUTES: readonly string[] = [
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

/** Stands for a header value wherever one would be shown; as input it means: the one that there is. */
export const HIDDEN = '***';

/** Header names that are the transport's own business. */
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
/** Visible text, with spaces inside: what Node sends as it is. */
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
    like: 'now, earliest or the seq of a record',
    doc: '',
  }),
  enabled: flag({ default: true, doc: '' }),
});

/** All that is known of a destination, its secrets among it. `query`: in the language of the search; empty: all. */
export type Destination = Settings<typeof schema> & {
  readonly id: string;
  /** Further headers, by name as it was given. */
  readonly headers: Readonly<Record<string, string>>;
};

/** What a destination says besides its id. */
export type DestinationInput = Omit<Destination, 'id'>;

/** Reads what somebody says of a destination; `before`: of one that there is, of which only that is changed. */
export function readDestination(
  input: unknown,
  before?: DestinationInput,
): { readonly said: DestinationInput } | { readonly problems: readonly string[] } {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return { problems: ['a connection is a JSON object, such as {"endpoint_url": "https://…"}'] };
  const given: Record<string, unknown> = Object.assign(Object.create(null), before, input);
  for (const [name, value] of Object.entries(input)) {
    // Null: what it is when nobody says it.
    if (value === null) delete given[name];
    if (name === 'header_value' && value === HIDDEN) given[name] = before?.header_value ?? HIDDEN;
  }
  const { headers: givenHeaders = {}, ...rest } = given;
  const result = read(schema, rest);
  const problems = result.ok ? [] : result.problems.flatMap(inWords);
  const headers = readHeaders(givenHeaders, before?.headers ?? {}, problems);
  // What is missing comes through as undefined: a setting without a default.
  if (result.ok && result.settings.endpoint_url === undefined) problems.push('endpoint_url is missing');
  if (!result.ok || problems.length > 0) return { problems };
  const said: DestinationInput = { ...result.settings, headers };
  problems.push(...contradictions(said));
  return problems.length > 0 ? { problems } : { said };
}

function inWords({
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
    const hint = near === undefined ? `there is ${known.join(', ')}` : `did you mean ${near}?`;
    return `${JSON.stringify(key.slice(0, 80))} is nothing that a connection has; ${hint}`;
  });
}

function contradictions(said: DestinationInput): string[] {
  const { header_name: name, header_value: value, headers } = said;
  const problems: string[] = [];
  if (name !== '' || value !== '') problems.push(...headerProblems('header_name', name, value));
  if (name !== '' && value === '') problems.push('header_value is missing: header_name alone says nothing');
  if (Object.keys(headers).some((other) => other.toLowerCase() === name.toLowerCase()))
    problems.push(`headers has ${name} too, which header_name names already`);
  return problems;
}

function readHeaders(
  given: unknown,
  before: Readonly<Record<string, string>>,
  problems: string[],
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    problems.push('headers must be an object of names and values');
    return headers;
  }
  const entries = Object.entries(given);
  if (entries.length > MAX_HEADERS) problems.push(`headers must not be more than ${MAX_HEADERS}`);
  for (const [name, said] of entries.slice(0, MAX_HEADERS)) {
    const value: unknown = said === HIDDEN && Object.hasOwn(before, name) ? before[name] : said;
    if (typeof value !== 'string') problems.push(`the value of header ${JSON.stringify(name)} must be text`);
    else {
      problems.push(...headerProblems('the name of a header', name, value));
      headers[name] = value;
    }
  }
  return headers;
}

/** What is wrong with a header; its value is never shown. */
function headerProblems(where: string, name: string, value: string): string[] {
  const problems: string[] = [];
  // A key of objects besides: as a header it would vanish.
  if (!HEADER_NAME.test(name) || name === '__proto__')
    problems.push(`${where} is ${JSON.stringify(name.slice(0, 80))}, must be a name such as Authorization`);
  else if (OWN_HEADERS.has(name.toLowerCase()))
    problems.push(`${where} is ${name}, which is set by weir itself`);
  if (value === HIDDEN)
    problems.push(`the value of ${name} is ${HIDDEN}, which only stands for one that is known`);
  else if (!HEADER_VALUE.test(value))
    problems.push(
      `the value of ${name} must be up to 8192 visible characters, without line breaks and without spaces at its ends`,
    );
  return problems;
}

/** The text as the URL parser understands it, so that what is shown is what is called. */
function readUrl(input: string): { value: string } | { problem: string } {
  const url = input.length > MAX_URL || /[\s\\]/.test(input) ? null : URL.parse(input);
  if (url === null || url.hostname === '' || !/^https?:$/.test(url.protocol))
    return { problem: 'must be a URL such as https://otlp.example.com/v1/logs' };
  if (url.username !== '' || url.password !== '')
    return { problem: 'must not hold a user name or a password: give them as header_name and header_value' };
  if (url.hash !== '') return { problem: 'must not have a part behind #' };
  return { value: url.href };
}

/** Why a URL must not be sent to; empty: it may. What weir exports would come in again, without end. */
export function refusalOf(endpointUrl: string, ownPorts: readonly number[]): string {
  const url = new URL(endpointUrl);
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isHere =
    /^(localhost\.?|127\.[\d.]+|0\.0\.0\.0|::1?|::ffff:7f[0-9a-f:]+)$/.test(host) ||
    Object.values(networkInterfaces()).some((own) => own?.some(({ address }) => address === host));
  return isHere && ownPorts.includes(port) ? 'endpoint_url must not lead to weir itself' : '';
}

/** All headers with their values. */
export const headersOf = ({
  header_name,
  header_value,
  headers,
}: DestinationInput): Record<string, string> =>
  header_name === '' ? { ...headers } : { ...headers, [header_name]: header_value };

/** Values that are known must not go to another receiver than they were given for by who cannot see them. */
export function secretsToRepeat(
  before: DestinationInput,
  said: DestinationInput,
  input: Readonly<Record<string, unknown>>,
  problem: string,
): string[] {
  const isElsewhere = new URL(before.endpoint_url).origin !== new URL(said.endpoint_url).origin;
  if (!isElsewhere && problem === '') return [];
  const isGiven = (value: unknown): boolean => typeof value === 'string' && value !== HIDDEN;
  const names = Object.keys(headersOf(said)).filter((name) =>
    name === said.header_name
      ? !isGiven(input['header_value'])
      : !isGiven((input['headers'] as Record<string, unknown> | undefined)?.[name]),
  );
  const why = isElsewhere ? 'endpoint_url leads to another host' : problem;
  return names.map((name) => `${why}: give the value of ${name} with it`);
}

/** A text without any header value that may stand in it, such as a receiver's answer. */
export function scrub(text: string, destination: DestinationInput): string {
  const parts = Object.values(headersOf(destination))
    // Also what stands behind `Bearer`. The shortest are no secrets, and are everywhere.
    .flatMap((value) => [value, ...value.split(/\s+/)])
    .filter((part) => part.length >= 4)
    // The longest first: one may be the beginning of another.
    .sort((a, b) => b.length - a.length);
  return parts.reduce((clean, part) => clean.replaceAll(part, HIDDEN), text);
}

/** What may be shown. */
export const shownForm = ({ header_value, headers, ...rest }: DestinationInput): Record<string, unknown> => ({
  ...rest,
  header_value: header_value === '' ? '' : HIDDEN,
  headers: Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN])),
});
