// Merges the sources of raw values: a YAML file, WEIR_… variables, flags.
// Invariant: each value keeps its origin; only names are checked here, values later.
import { CONFIG, REPLICA, type GivenValue } from './given-value.ts';
import { readFlags } from './server-flags.ts';
import { readTracing, readVariables } from './variables.ts';
import { readText, readYaml } from './yaml-file.ts';

export interface ConfigSources {
  /** Weakest first: a later value replaces an earlier one at the same path. */
  readonly given: GivenValue[];
  /** `file:line` of each value and section of the file, by path joined with dots. */
  readonly lines: Map<string, string>;
  readonly problems: string[];
  /** Variables that Kubernetes or Docker set for a Service called weir or weir-…; they are ignored. */
  readonly links: readonly string[];
  /** The configuration file, if there is one. */
  readonly file: { readonly path: string; readonly text: string } | undefined;
  /** Arguments after `--`; `undefined` without one. */
  readonly rest: string[] | undefined;
}

/** Reads all sources. `env` is process.env or a stand-in. */
export function readSources(args: readonly string[], env: NodeJS.ProcessEnv): ConfigSources {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const file = flags.config ?? (env[CONFIG.variable] || undefined);
  const lines = new Map<string, string>();
  const given: GivenValue[] = [];
  const text = file === undefined ? undefined : readText(file, problems);
  if (text !== undefined) given.push(...readYaml(file!, text, lines, problems));
  const inFile = new Set(given.filter(isOfDeployment).map(({ path }) => path[1]));
  const needsOneDeployment = (origin: string): void => {
    if (inFile.size > 1)
      problems.push(
        `${origin}: the configuration file has ${inFile.size} deployments; set this in the file, for one of them`,
      );
  };
  /** Replaces the replicas of the only deployment, or makes a deployment of them. */
  const setReplicas = (urls: readonly string[], origin: string): void => {
    needsOneDeployment(origin);
    for (let i = given.length - 1; i >= 0; i--)
      if (isOfDeployment(given[i]!) && given[i]!.path[2] === 'replicas') given.splice(i, 1);
    urls.forEach((url, i) =>
      given.push({ path: ['deployments', 0, 'replicas', i, 'url'], value: url, origin }),
    );
  };
  const { given: variables, links } = readVariables(env, problems);
  given.push(...variables);
  const urls = env[REPLICA.variable] || undefined;
  if (urls !== undefined)
    setReplicas(
      urls.split(',').map((url) => url.trim()),
      REPLICA.variable,
    );
  given.push(...flags.given);
  given.push(...readTracing(env, given));
  if (flags.replicas.length > 0) setReplicas(flags.replicas, `--${REPLICA.flag}`);
  for (const value of [...flags.given, ...variables])
    if (isOfDeployment(value)) needsOneDeployment(value.origin);
  return {
    given,
    lines,
    problems,
    links,
    file: text === undefined ? undefined : { path: file!, text },
    rest: flags.rest,
  };
}

const isOfDeployment = ({ path }: GivenValue): boolean => path[0] === 'deployments';
