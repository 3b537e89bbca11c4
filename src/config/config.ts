// From sources to one frozen configuration, or to all its problems.
// Invariant: flag > variable > file > default, and every problem names the origin of the value.
import { unknownName } from '../core/nearest-name.ts';
import { keysAt, read, type SettingProblem } from '../core/read-settings.ts';
import { contradictions } from './contradictions.ts';
import { keyOf } from './explain.ts';
import type { GivenValue, SettingPath } from './given-value.ts';
import { schema, type Config } from './schema.ts';
import { readSecretFiles } from './secret-files.ts';
import { readSources, type ConfigSources } from './sources.ts';

export { problemsInFiles } from './contradictions.ts';
export { explain, needRestart } from './explain.ts';
export type { Config } from './schema.ts';
export { CLIENT, LAUNCHER_VARIABLE, OLD_CLIENT, RESTART_VARIABLE } from './variables.ts';

/** A log line about an accepted configuration. */
export interface Notice {
  readonly level: 'info' | 'warn';
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type Loaded =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly given: readonly GivenValue[];
      /** The configuration file, if there is one. */
      readonly file: { readonly path: string; readonly text: string } | undefined;
      readonly rest: readonly string[] | undefined;
      readonly notices: readonly Notice[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What a command needs of the configuration. */
export interface Needs {
  /** Default true. `optional`: a configuration without replicas is valid. False: deployments are not read at all. */
  readonly replica?: boolean | 'optional';
  /** True: a command may follow `--`. */
  readonly rest?: boolean;
}

/** Reads and checks everything. `env` is process.env or a stand-in. */
export function load(args: readonly string[], env: NodeJS.ProcessEnv, needs: Needs = {}): Loaded {
  const sources = readSources(args, env);
  const ignored = needs.replica === false ? 'deployments' : undefined;
  const problems = [...sources.problems];
  const named = [...sources.given, ...impliedBy(sources.given)];
  const given = readSecretFiles(named, problems);
  const result = read(schema, assemble(given.filter(({ path }) => path[0] !== ignored)));
  if (sources.rest !== undefined && needs.rest !== true)
    problems.push('unexpected argument "--"; only weir run takes a command after it');
  if (!result.ok) problems.push(...result.problems.flatMap((problem) => errorsOf(problem, sources)));
  // Settings are checked against each other only if each is valid by itself.
  if (!result.ok || problems.length > 0) return { ok: false, problems };
  const config = nameReplicas(result.settings);
  if (config.deployments.length === 0 && (needs.replica ?? true) === true)
    problems.push(
      'no replica is configured; give --replica http://127.0.0.1:8000, or deployments in a file with --config',
    );
  problems.push(...contradictions(config));
  if (problems.length > 0) return { ok: false, problems };
  const { file, rest, links } = sources;
  return { ok: true, config, given, file, rest, notices: noticesOn(config, given, links) };
}

/** The value of a setting from the strongest source that gives one. */
const lastGiven = (given: readonly GivenValue[], key: string): GivenValue | undefined =>
  given.findLast(({ path }) => keyOf(path) === key);

/** Settings that follow from others: `scale.listen` implies `scale.keda`, unless `scale.keda` is given too. */
function impliedBy(given: readonly GivenValue[]): GivenValue[] {
  const listen = lastGiven(given, 'scale.listen');
  if (listen === undefined || lastGiven(given, 'scale.keda') !== undefined) return [];
  return [{ path: ['scale', 'keda'], value: true, origin: listen.origin }];
}

/** Notices about settings of an accepted configuration that may surprise the operator. */
function noticesOn(config: Config, given: readonly GivenValue[], links: readonly string[]): Notice[] {
  const notices: Notice[] = [];
  if (links.length > 0)
    notices.push({
      level: 'info',
      event: 'ignored variables that Kubernetes or Docker set for a service called weir',
      fields: { variables: links.toSorted() },
    });
  const listen = lastGiven(given, 'scale.listen');
  if (listen !== undefined && !config.scale.keda)
    notices.push({
      level: 'warn',
      event: 'scale.listen has no effect, because scale.keda is false',
      fields: { 'scale.listen': listen.origin, 'scale.keda': lastGiven(given, 'scale.keda')?.origin },
    });
  return notices;
}

/** One raw object from single values; a later value replaces an earlier one. */
function assemble(given: readonly GivenValue[]): Record<string, unknown> {
  // Objects without prototype, so that a key `__proto__` is a key like any other.
  const root = Object.create(null) as Record<string, unknown>;
  for (const { path, value } of given) {
    if (path.length === 0) continue;
    let container = root as Record<string | number, unknown>;
    path.forEach((key, i) => {
      if (i === path.length - 1) container[key] = value;
      else {
        const isContainer = typeof container[key] === 'object' && container[key] !== null;
        if (!isContainer) container[key] = typeof path[i + 1] === 'number' ? [] : Object.create(null);
        container = container[key] as Record<string | number, unknown>;
      }
    });
  }
  return root;
}

/**
 * Error texts of one problem: `weir.yaml:12: unknown setting "pool.probe_intervall"; did you mean "probe_interval"?`
 */
function errorsOf({ path, message, unknown }: SettingProblem, sources: ConfigSources): string[] {
  /** The origin of the value, or else the line of the key or of the section around it. */
  const where = (at: SettingPath): string => {
    let origin = sources.given.findLast((g) => keyOf(g.path) === keyOf(at))?.origin;
    for (let end = at.length; origin === undefined && end > 0; end--)
      origin = sources.lines.get(at.slice(0, end).join('.'));
    return origin === undefined ? '' : `${origin}: `;
  };
  if (unknown === undefined) return [`${where(path)}${keyOf(path)} ${message}`];
  const prefix = path.length === 0 ? '' : `${keyOf(path)}.`;
  const known = keysAt(schema, path);
  return unknown.map((key) => `${where([...path, key])}${unknownName('setting', key, known, prefix)}`);
}

/** Gives replicas without an id the id `r` and their position. */
function nameReplicas(config: Config): Config {
  const deployments = config.deployments.map((deployment) => ({
    ...deployment,
    replicas: deployment.replicas.map((replica, i) => ({ ...replica, id: replica.id || `r${i}` })),
  }));
  return Object.freeze({ ...config, deployments });
}
