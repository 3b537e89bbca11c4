// The door of the room: from sources to one frozen configuration, or to all its mistakes at once.
// Must stay true: flag > variable > file > default, and every problem names where the value stands.
import { readAuthorities, readKeyPair } from '../core/certificates.ts';
import { keysAt, read, type SettingProblem } from '../core/settings.ts';
import { nearest } from '../core/nearest-name.ts';
import { schema, settings, type Config } from './schema.ts';
import { readSources, type GivenValue, type SettingPath, type ConfigSources } from './sources.ts';

export type { Config } from './schema.ts';
export { CLIENT, OLD_CLIENT } from './variables.ts';

/** A log line about a configuration that is accepted. */
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

/** What a command can do without, or can make use of. */
export interface Needs {
  /** False: no replica need be configured, and none is looked at; `optional`: those that are there are. */
  readonly replica?: boolean | 'optional';
  /** True: there may be a command behind `--`. */
  readonly rest?: boolean;
}

/** Reads and checks everything. `env` is process.env or a stand-in. */
export function load(args: readonly string[], env: NodeJS.ProcessEnv, needs: Needs = {}): Loaded {
  const sources = readSources(args, env);
  // Who can do without a replica can do without a deployment, which would not be whole.
  const ignored = needs.replica === false ? 'deployments' : undefined;
  const given = [...sources.given, ...impliedBy(sources.given)];
  const result = read(schema, assemble(given.filter(({ path }) => path[0] !== ignored)));
  const problems = [...sources.problems];
  if (sources.rest !== undefined && needs.rest !== true)
    problems.push('unexpected -- and what stands behind it');
  if (!result.ok) problems.push(...result.problems.flatMap((problem) => inWords(problem, sources)));
  // Mistakes between settings are looked for once each of them is right by itself.
  if (!result.ok || problems.length > 0) return { ok: false, problems };
  const config = nameReplicas(result.settings);
  if (config.deployments.length === 0 && (needs.replica ?? true) === true)
    problems.push('no replica is configured: give --replica http://127.0.0.1:8000, or deployments in a file');
  problems.push(...contradictions(config));
  if (problems.length > 0) return { ok: false, problems };
  const { file, rest, links } = sources;
  return { ok: true, config, given, file, rest, notices: noticesOn(config, given, links) };
}

/** The value of a setting from the last source that gives it, if any does. */
const lastGiven = (given: readonly GivenValue[], key: string): GivenValue | undefined =>
  given.findLast(({ path }) => keyOf(path) === key);

/** Settings that follow from others: an address for KEDA opens it, unless `scale.keda` is given too. */
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
  // Without prototypes: a key called __proto__ is a key like any other.
  const root = Object.create(null) as Record<string, unknown>;
  for (const { path, value } of given) {
    if (path.length === 0) continue;
    let place = root as Record<string | number, unknown>;
    path.forEach((key, i) => {
      if (i === path.length - 1) place[key] = value;
      else {
        const isContainer = typeof place[key] === 'object' && place[key] !== null;
        if (!isContainer) place[key] = typeof path[i + 1] === 'number' ? [] : Object.create(null);
        place = place[key] as Record<string | number, unknown>;
      }
    });
  }
  return root;
}

const keyOf = (path: SettingPath): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');

/** `weir.yaml:12: pool.probe_intervall is no setting; did you mean probe_interval?` */
function inWords({ path, message, unknown }: SettingProblem, sources: ConfigSources): string[] {
  const where = (at: SettingPath): string => {
    const given = sources.given.findLast((g) => keyOf(g.path) === keyOf(at));
    const origin = given?.origin ?? sources.lines.get(at.join('.'));
    return origin === undefined ? '' : `${origin}: `;
  };
  if (unknown === undefined) return [`${where(path)}${keyOf(path)} ${message}`];
  const known = keysAt(schema, path);
  return unknown.map((key) => {
    const near = nearest(key, known);
    const hint = near === undefined ? `; there is ${known.join(', ')}` : `; did you mean ${near}?`;
    return `${where([...path, key])}${keyOf([...path, key])} ${message}${hint}`;
  });
}

/** Replicas without a name of their own are called by their place. */
function nameReplicas(config: Config): Config {
  const deployments = config.deployments.map((deployment) => ({
    ...deployment,
    replicas: deployment.replicas.map((replica, i) => ({ ...replica, id: replica.id || `r${i}` })),
  }));
  return Object.freeze({ ...config, deployments });
}

/** What is wrong with the files that settings name, as they are now. */
export function problemsInFiles(config: Config): string[] {
  const problems: string[] = [];
  const { cert, key } = config.ingress.tls;
  const read = cert === '' ? undefined : readKeyPair(cert, key);
  if (read?.ok === false) problems.push(...read.problems.map((problem) => `ingress.tls.${problem}`));
  const authorities: Record<string, string> = { 'webhook.ca_file': config.webhook.ca_file };
  config.deployments.forEach(({ tls_ca }, i) => (authorities[`deployments[${i}].tls_ca`] = tls_ca));
  for (const [name, file] of Object.entries(authorities)) {
    const found = file === '' ? undefined : readAuthorities(file);
    if (found && 'problem' in found) problems.push(`${name} ${found.problem}`);
  }
  return problems;
}

/** What is right by itself and wrong together. */
function contradictions(config: Config): string[] {
  const problems: string[] = [];
  const ids = config.deployments.map(({ id }) => id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i)))
    problems.push(`deployments: the id ${JSON.stringify(id)} is used twice`);
  for (const [i, deployment] of config.deployments.entries()) {
    const calls = deployment.replicas.filter(({ url }) => url.protocol.startsWith('grpc')).length;
    if (calls > 0 && calls < deployment.replicas.length)
      problems.push(`deployments[${i}].replicas: some are for gRPC and some for HTTP`);
    if (calls > 0 && (deployment.readiness_path !== '' || deployment.liveness_path !== ''))
      problems.push(
        `deployments[${i}]: readiness_path and liveness_path are for HTTP; gRPC replicas are asked by health_service and liveness_service`,
      );
    if (calls === 0 && deployment.replicas.length > 0 && deployment.liveness_service !== '')
      problems.push(
        `deployments[${i}]: liveness_service is for gRPC; HTTP replicas are asked by liveness_path`,
      );
    const isSecured = deployment.replicas.some(({ url }) => ['https:', 'grpcs:'].includes(url.protocol));
    if (!isSecured && (deployment.tls_ca !== '' || deployment.tls_server_name !== ''))
      problems.push(
        `deployments[${i}]: tls_ca and tls_server_name are for replicas at https:// or grpcs://, and there is none`,
      );
    const names = deployment.replicas.map((replica) => replica.id);
    for (const name of new Set(names.filter((name, j) => names.indexOf(name) !== j)))
      problems.push(`deployments[${i}].replicas: the id ${JSON.stringify(name)} is used twice`);
    // Compares normalized URLs, since schemes have default ports and host names ignore case.
    const places = deployment.replicas.map(({ url }) =>
      `${url.protocol}//${url.host}:${url.port}`.toLowerCase(),
    );
    deployment.replicas.forEach(({ url }, j) => {
      const first = places.indexOf(places[j]!);
      if (first !== j)
        problems.push(
          `deployments[${i}].replicas[${j}].url: ${url.href} is also replicas[${first}].url; give each replica once`,
        );
    });
  }
  if (config.trace.enabled && [config.logs, ...config.logs.routes].every(({ capture }) => capture === 'off'))
    problems.push(
      'trace.enabled is true, but logs.capture is off: spans are made from the record of requests',
    );
  if (config.merge_metrics.max_age < config.merge_metrics.interval)
    problems.push('merge_metrics.max_age is smaller than merge_metrics.interval');
  const { pods, selector, deployment } = config.kubernetes;
  if (pods === 'selector' && selector === '')
    problems.push('kubernetes.pods is selector, but kubernetes.selector is empty');
  if (deployment !== '' && !ids.includes(deployment))
    problems.push(`kubernetes.deployment: there is no deployment ${JSON.stringify(deployment)}`);
  const { listen: data, tls } = config.ingress;
  if ((tls.cert === '') !== (tls.key === ''))
    problems.push(
      `ingress.tls.${tls.cert === '' ? 'key' : 'cert'} is set without ingress.tls.${tls.cert === '' ? 'cert' : 'key'}: TLS takes both, the certificate and its private key`,
    );
  const { listen: admin } = config.admin;
  if (data.port !== 0 && data.port === admin.port && data.host === admin.host)
    problems.push('ingress.listen and admin.listen are the same address');
  const { min_replica, max_replica, keda, listen: scaler } = config.scale;
  if (min_replica > max_replica) problems.push('scale.min_replica is larger than scale.max_replica');
  for (const [name, { host, port }] of Object.entries({ 'ingress.listen': data, 'admin.listen': admin }))
    if (keda && port !== 0 && port === scaler.port && host === scaler.host)
      problems.push(`${name} and scale.listen are the same address`);
  if (config.child.restart_delay > config.child.restart_delay_max)
    problems.push('child.restart_delay is larger than child.restart_delay_max');
  const { container_interval, gpu_interval, gpu_inventory_interval, max_age } = config.samplers;
  if (max_age <= Math.max(container_interval, gpu_interval, gpu_inventory_interval))
    problems.push('samplers.max_age is not larger than the intervals: readings would come and go');
  return problems;
}

/** Keys of settings that differ and that a running sidecar does not take over: all but those of deployments. */
export function needRestart(running: Config, wanted: Config): string[] {
  // As they are, not as they are shown: two secrets look the same.
  const values = (config: Config) =>
    settings.flatMap(({ path, about }) =>
      valuesAt(config, path, []).map(({ at, value }) => ({ key: keyOf(at), text: about.show(value) })),
    );
  const before = new Map(values(running).map(({ key, text }) => [key, text]));
  return values(wanted)
    .filter(({ key, text }) => !key.startsWith('deployments') && before.get(key) !== text)
    .map(({ key }) => key);
}

/** One setting as `weir settings` shows it. */
export interface Explained {
  readonly key: string;
  readonly value: string;
  readonly origin: string;
}

/** Every setting with its value, as text, and where that came from. Secrets are `***`. */
export function explain(config: Config, given: readonly GivenValue[]): Explained[] {
  return settings.flatMap(({ path, about }) =>
    valuesAt(config, path, []).map(({ at, value }) => ({
      key: keyOf(at),
      value: about.secret && about.show(value) !== '' ? '***' : about.show(value),
      origin: given.findLast((g) => keyOf(g.path) === keyOf(at))?.origin ?? 'default',
    })),
  );
}

/** The values that a path with `[]` in it stands for. */
function valuesAt(
  place: unknown,
  path: readonly string[],
  at: (string | number)[],
): { at: SettingPath; value: unknown }[] {
  const [head, ...rest] = path;
  if (head === undefined) return [{ at, value: place }];
  if (head === '[]') return (place as unknown[]).flatMap((item, i) => valuesAt(item, rest, [...at, i]));
  return valuesAt((place as Record<string, unknown>)[head], rest, [...at, head]);
}
