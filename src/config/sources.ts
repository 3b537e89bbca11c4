// Where raw values come from: flags, WEIR_… variables, a YAML file. Each value keeps the name of its origin.
// Must stay true: the only place that reads the environment or a configuration file; nothing is checked here
// beyond whether a name exists. Only this file imports yaml.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { describe } from '../core/errors.ts';
import { nearest } from '../core/nearest-name.ts';
import { settings, type Setting } from './schema.ts';
import { CLIENT, isOfClient, isServiceLink } from './variables.ts';

export type SettingPath = readonly (string | number)[];

/** One raw value and where it stands. */
export interface GivenValue {
  readonly path: SettingPath;
  readonly value: unknown;
  /** `--listen`, `WEIR_LISTEN`, `weir.yaml:12`. */
  readonly origin: string;
}

/** What the sources hold together. A later one of `given` replaces an earlier one at the same path. */
export interface ConfigSources {
  readonly given: GivenValue[];
  /** `file:line` of everything in the file, keys of sections too: by path joined with dots. */
  readonly lines: Map<string, string>;
  readonly problems: string[];
  /** Variables that Kubernetes or Docker set for a Service called weir or weir-…; they are ignored. */
  readonly links: readonly string[];
  /** The configuration file, if there is one, and what was read in it. */
  readonly file: { readonly path: string; readonly text: string } | undefined;
  /** What stands behind `--`. */
  readonly rest: string[] | undefined;
}

/** Flags and variables that are no settings by themselves. */
const REPLICA = { flag: 'replica', variable: 'WEIR_REPLICA' };
const CONFIG = { flag: 'config', variable: 'WEIR_CONFIG' };
const OTHERS: readonly string[] = [REPLICA.variable, CONFIG.variable];

/** Reads all sources, weakest first. `env` is process.env or a stand-in. */
export function readSources(args: readonly string[], env: NodeJS.ProcessEnv): ConfigSources {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const file = flags.config ?? (env[CONFIG.variable] || undefined);
  const lines = new Map<string, string>();
  const given: GivenValue[] = [];
  const text = file === undefined ? undefined : readText(file, problems);
  if (text !== undefined) given.push(...readFile(file!, text, lines, problems));
  const listed = new Set(given.filter(({ path }) => path[0] === 'deployments').map(({ path }) => path[1]));
  const isOfOne = (origin: string): void => {
    if (listed.size > 1)
      problems.push(
        `${origin}: the configuration has several deployments; say it there, for the one that is meant`,
      );
  };
  const replicas = (urls: string[], origin: string) => {
    // Replicas named here take the place of those of the one deployment that there is, or make one.
    isOfOne(origin);
    for (let i = given.length - 1; i >= 0; i--)
      if (given[i]!.path[0] === 'deployments' && given[i]!.path[2] === 'replicas') given.splice(i, 1);
    urls.forEach((url, i) =>
      given.push({ path: ['deployments', 0, 'replicas', i, 'url'], value: url, origin }),
    );
  };
  const { given: variables, links } = readVariables(env, problems);
  given.push(...variables);
  if (env[REPLICA.variable])
    replicas(
      env[REPLICA.variable]!.split(',').map((url) => url.trim()),
      REPLICA.variable,
    );
  given.push(...flags.given);
  given.push(...readTracing(env, given));
  if (flags.replicas.length > 0) replicas(flags.replicas, `--${REPLICA.flag}`);
  for (const { path, origin } of [...flags.given, ...variables])
    if (path[0] === 'deployments') isOfOne(origin);
  return {
    given,
    lines,
    problems,
    links,
    file: text === undefined ? undefined : { path: file!, text },
    rest: flags.rest,
  };
}

interface Flags {
  given: GivenValue[];
  replicas: string[];
  config: string | undefined;
  rest: string[] | undefined;
}

const byFlag = new Map(settings.flatMap((setting) => setting.flags.map((flag) => [flag, setting] as const)));
const byVariable = new Map(
  settings.flatMap((setting) => setting.variables.map((name) => [name, setting] as const)),
);
/** Where a flag's or variable's value stands: a deployment's settings are those of the one that there is. */
const placeOf = ({ path }: Setting): SettingPath => path.map((key) => (key === '[]' ? 0 : key));
const isSwitch = (setting: Setting): boolean => setting.about.kind === 'boolean';

function readFlags(args: readonly string[], problems: string[]): Flags {
  const end = args.indexOf('--');
  const own = end === -1 ? [...args] : args.slice(0, end);
  const { tokens } = parseArgs({
    args: own,
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      [CONFIG.flag]: { type: 'string' },
      [REPLICA.flag]: { type: 'string', multiple: true },
      ...Object.fromEntries(
        [...byFlag].map(([flag, setting]) => [
          flag,
          { type: isSwitch(setting) ? 'boolean' : 'string' } as const,
        ]),
      ),
    },
  });
  const flags: Flags = {
    given: [],
    replicas: [],
    config: undefined,
    rest: end === -1 ? undefined : args.slice(end + 1),
  };
  let isAfterUnknown = false;
  for (const token of tokens) {
    // What follows an unknown option is most likely its value: one mistake, not two.
    if (token.kind === 'positional' && !isAfterUnknown)
      problems.push(`unexpected argument ${JSON.stringify(token.value)}`);
    isAfterUnknown = false;
    if (token.kind !== 'option') continue;
    const setting = byFlag.get(token.name);
    // The command line has answered it before anything is read.
    if (token.name === 'help') continue;
    if (setting && isSwitch(setting))
      flags.given.push({ path: placeOf(setting), value: token.value ?? true, origin: token.rawName });
    else if (!setting && token.name !== CONFIG.flag && token.name !== REPLICA.flag) {
      const known = [...byFlag.keys(), CONFIG.flag, REPLICA.flag, 'help'].map((name) => `--${name}`);
      problems.push(`unknown option ${token.rawName}${suggest(`--${token.name}`, known)}`);
      isAfterUnknown = token.value === undefined;
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))
      problems.push(`${token.rawName} needs a value`);
    else if (setting) flags.given.push({ path: placeOf(setting), value: token.value, origin: token.rawName });
    else if (token.name === CONFIG.flag) flags.config = token.value;
    else flags.replicas.push(token.value);
  }
  return flags;
}

function readVariables(env: NodeJS.ProcessEnv, problems: string[]): { given: GivenValue[]; links: string[] } {
  const given: GivenValue[] = [];
  const links: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('WEIR_') || OTHERS.includes(name) || isOfClient(name) || value === undefined)
      continue;
    const setting = byVariable.get(name);
    if (setting) given.push({ path: placeOf(setting), value, origin: name });
    else if (isServiceLink(name, env)) links.push(name);
    else {
      const known = [...byVariable.keys(), ...OTHERS, ...Object.values(CLIENT)];
      problems.push(`unknown variable ${name}${suggest(name, known)}`);
    }
  }
  return { given, links };
}

/**
 * Where spans go to, as the contract's servers are told (contracts/baseten.md 7.6): the whole URL, or Honeycomb's. Only
 * where weir's own sources say nothing of it, so that a key never goes to an endpoint that it was not given for.
 */
function readTracing(env: NodeJS.ProcessEnv, given: readonly GivenValue[]): GivenValue[] {
  const isSaid = given.some(({ path }) => path[0] === 'export' && String(path[1]).startsWith('traces_'));
  const { OTEL_EXPORTER_OTLP_ENDPOINT: url, HONEYCOMB_API_KEY: key, HONEYCOMB_DATASET: dataset } = env;
  if (isSaid) return [];
  if (url) return [{ path: TRACES_ENDPOINT, value: tracesUrl(url), origin: 'OTEL_EXPORTER_OTLP_ENDPOINT' }];
  if (!key || !dataset) return [];
  return [
    { path: TRACES_ENDPOINT, value: 'https://api.honeycomb.io/v1/traces', origin: 'HONEYCOMB_DATASET' },
    {
      path: ['export', 'traces_headers'],
      value: [`x-honeycomb-team=${key}`, `x-honeycomb-dataset=${dataset}`],
      origin: 'HONEYCOMB_API_KEY',
    },
  ];
}

/** The whole URL, as truss reads it (contracts/baseten.md 7.6); one without a path is a base, as OpenTelemetry reads it. */
const tracesUrl = (url: string): string =>
  URL.parse(url)?.pathname === '/' ? new URL('/v1/traces', url).href : url;

const TRACES_ENDPOINT: SettingPath = ['export', 'traces_endpoint'];

/** Loaded when there is a file to read: most sidecars have none. */
const loadYaml = () => createRequire(import.meta.url)('yaml') as typeof import('yaml');

function readText(file: string, problems: string[]): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`cannot read the configuration: ${describe(error)}`);
    return undefined;
  }
}

function readFile(
  file: string,
  source: string,
  lines: Map<string, string>,
  problems: string[],
): GivenValue[] {
  const { isMap, isScalar, isSeq, LineCounter, parseDocument } = loadYaml();
  const counter = new LineCounter();
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number) => `${file}:${counter.linePos(offset).line}`;
  for (const error of document.errors) problems.push(`${at(error.pos[0])}: ${error.message}`);
  if (document.errors.length > 0) return [];
  const given: GivenValue[] = [];
  // `here` is where the value's key stands: better to point at than a value that may be on the next line.
  const walk = (node: unknown, path: SettingPath, here: string): void => {
    lines.set(path.join('.'), here);
    if (isMap(node) && node.items.length > 0 && !isLeaf(path))
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : String(key);
        walk(value, [...path, name], isScalar(key) && key.range ? at(key.range[0]) : here);
      }
    else if (isSeq(node) && node.items.length > 0 && !isLeaf(path))
      node.items.forEach((item, i) => {
        const range = (item as { range?: [number, number, number] | null }).range;
        walk(item, [...path, i], range ? at(range[0]) : here);
      });
    else {
      const value: unknown =
        node === null || node === undefined ? null : (node as { toJS(d: unknown): unknown }).toJS(document);
      // `key:` with nothing behind it is how people comment a section out: it is as good as absent.
      if (value !== null) given.push({ path, value, origin: here });
    }
  };
  try {
    if (isMap(document.contents)) walk(document.contents, [], `${file}:1`);
    else if (document.contents !== null) problems.push(`${file}:1: must be a section (key: value lines)`);
  } catch (error) {
    // An alias without its anchor, for one, is only found when it is followed.
    problems.push(`${file}: ${describe(error)}`);
  }
  return given;
}

/** True where a path is a setting, whose value may itself be a list. */
const isLeaf = (path: SettingPath): boolean =>
  settings.some(
    (s) =>
      s.path.length === path.length &&
      s.path.every((key, i) => key === path[i] || (key === '[]' && typeof path[i] === 'number')),
  );

const suggest = (word: string, known: string[]): string => {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
};
