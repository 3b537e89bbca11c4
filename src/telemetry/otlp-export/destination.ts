// A destination: the settings of an OTLP receiver, how they are validated, and what of them is shown.
// Invariant: a validated destination has a usable URL and headers, and its header values appear in requests to it only.
import { nearest } from '../../core/nearest-name.ts';
import {
  headerProblems,
  HIDDEN_VALUE,
  leadsToPort,
  readReceiverUrl,
  scrubValues,
} from '../../core/receiver.ts';
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

const MAX_HEADERS = 16;
const EXAMPLE = 'https://otlp.example.com/v1/logs';

const schema = section({
  name: text({ default: '', pattern: /^[^\p{Cc}]{0,100}$/u, like: 'up to 100 characters', doc: '' }),
  signal: choice(['logs', 'traces'], { default: 'logs', doc: '' }),
  endpoint_url: required(`a URL such as ${EXAMPLE}`, '', (input) => readReceiverUrl(input, EXAMPLE), String),
  header_name: text({ default: '', doc: '' }),
  header_value: text({ default: '', doc: '', show: () => HIDDEN_VALUE }),
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
    if (name === 'header_value' && value === HIDDEN_VALUE) given[name] = before?.header_value ?? HIDDEN_VALUE;
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
    const value: unknown = input === HIDDEN_VALUE && Object.hasOwn(before, name) ? before[name] : input;
    if (typeof value !== 'string')
      problems.push(`the value of header ${JSON.stringify(name)} must be a string`);
    else {
      problems.push(...headerProblems('a header name in headers', name, value));
      headers[name] = value;
    }
  }
  return headers;
}

/** Why a URL is rejected, or ''. A URL of weir itself is rejected, since each export would create new records. */
export const urlProblem = (endpointUrl: string, ownPorts: readonly number[]): string =>
  leadsToPort(endpointUrl, ownPorts) ? 'endpoint_url must not point to weir itself' : '';

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
  const isGiven = (value: unknown): boolean => typeof value === 'string' && value !== HIDDEN_VALUE;
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
export const scrub = (text: string, destination: DestinationSettings): string =>
  scrubValues(text, Object.values(headersOf(destination)));

/** The settings with header values hidden. */
export const withoutSecrets = ({
  header_value,
  headers,
  ...rest
}: DestinationSettings): Record<string, unknown> => ({
  ...rest,
  header_value: header_value === '' ? '' : HIDDEN_VALUE,
  headers: Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN_VALUE])),
});
