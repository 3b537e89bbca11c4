// Problems between settings that are each valid, and problems in the files that settings name.
import { formatAddress, type Address } from '../core/address.ts';
import { readAuthorities } from '../core/certificates.ts';
import { readKeyFile } from '../core/keys/key-file.ts';
import { readCertificateFiles } from '../core/server-certificate.ts';
import { tlsContradictions } from '../core/server-tls-options.ts';
import { formatDuration } from '../core/units.ts';
import { priceProblems } from '../telemetry/llm/options.ts';
import type { Config } from './schema.ts';

/** Checks the files that settings name, as they are now. */
export function problemsInFiles(config: Config): string[] {
  const problems: string[] = [];
  for (const [path, tls] of serversOf(config)) {
    const read = tls.cert === '' ? undefined : readCertificateFiles(tls, path);
    if (read?.ok === false) problems.push(...read.problems);
  }
  const keys = config.client_keys.file === '' ? undefined : readKeyFile(config.client_keys.file);
  if (keys && 'problem' in keys) problems.push(`client_keys.file: ${keys.problem}`);
  const authorities: Record<string, string> = { 'webhook.ca_file': config.webhook.ca_file };
  config.deployments.forEach(({ tls_ca }, i) => (authorities[`deployments[${i}].tls_ca`] = tls_ca));
  for (const [name, file] of Object.entries(authorities)) {
    const found = file === '' ? undefined : readAuthorities(file);
    if (found && 'problem' in found) problems.push(`${name} ${found.problem}`);
  }
  return problems;
}

/** TLS settings of each server, with their path. */
const serversOf = ({ ingress, admin, scale }: Config) =>
  [
    ['ingress.tls', ingress.tls],
    ['admin.tls', admin.tls],
    ['scale.tls', scale.tls],
  ] as const;

/** Checks settings against each other. */
export function contradictions(config: Config): string[] {
  return [
    ...repeated(config.deployments.map(({ id }) => id)).map(
      (id) =>
        `deployments: the id ${JSON.stringify(id)} is used twice; give each deployment an id of its own`,
    ),
    ...config.deployments.flatMap((deployment, i) => inDeployment(deployment, `deployments[${i}]`)),
    ...priceProblems(config.llm.prices, 'llm.prices'),
    ...betweenSections(config),
    ...serversOf(config).flatMap(([path, tls]) => tlsContradictions(tls, path)),
    ...betweenAddresses(config),
  ];
}

const repeated = (names: readonly string[]): string[] =>
  Array.from(new Set(names.filter((name, i) => names.indexOf(name) !== i)));

function inDeployment(deployment: Config['deployments'][number], at: string): string[] {
  const problems: string[] = [];
  const { replicas, readiness_path, liveness_path, liveness_service, tls_ca, tls_server_name } = deployment;
  const grpc = replicas.filter(({ url }) => url.protocol.startsWith('grpc')).length;
  if (grpc > 0 && grpc < replicas.length)
    problems.push(
      `${at}.replicas: some URLs are for gRPC and some for HTTP; give each protocol its own deployment`,
    );
  if (grpc > 0 && (readiness_path !== '' || liveness_path !== ''))
    problems.push(
      `${at}: readiness_path and liveness_path are for HTTP replicas; for gRPC replicas set health_service and liveness_service`,
    );
  if (grpc === 0 && replicas.length > 0 && liveness_service !== '')
    problems.push(`${at}: liveness_service is for gRPC replicas; for HTTP replicas set liveness_path`);
  const isSecured = replicas.some(({ url }) => ['https:', 'h2:', 'grpcs:'].includes(url.protocol));
  if (!isSecured && (tls_ca !== '' || tls_server_name !== ''))
    problems.push(
      `${at}: tls_ca and tls_server_name need a replica with an https://, h2:// or grpcs:// URL, and there is none`,
    );
  for (const id of repeated(replicas.map((replica) => replica.id)))
    problems.push(
      `${at}.replicas: the id ${JSON.stringify(id)} is used twice; give each replica an id of its own`,
    );
  // Compares normalized URLs, since schemes have default ports and host names ignore case.
  const urls = replicas.map(({ url }) =>
    url.path === undefined ? `${url.protocol}//${url.host}:${url.port}`.toLowerCase() : url.href,
  );
  replicas.forEach(({ url }, i) => {
    const first = urls.indexOf(urls[i]!);
    if (first !== i)
      problems.push(
        `${at}.replicas[${i}].url: ${url.href} is also replicas[${first}].url; give each replica once`,
      );
  });
  return problems;
}

function betweenSections({
  threads,
  deployments,
  trace,
  logs,
  merge_metrics: merge,
  kubernetes,
  scale,
  child,
  samplers,
  ingress,
}: Config): string[] {
  const problems: string[] = [];
  if (trace.enabled && [logs, ...logs.routes].every(({ capture }) => capture === 'off'))
    problems.push(
      'trace.enabled is true, but logs.capture is off: spans are made from request records; set logs.capture to metadata or full',
    );
  if (merge.max_age < merge.interval)
    problems.push(
      `merge_metrics.max_age (${formatDuration(merge.max_age)}) is smaller than merge_metrics.interval (${formatDuration(merge.interval)})`,
    );
  if (threads !== 1 && ingress.listen.path !== undefined)
    problems.push(
      `threads is ${threads}, but ingress.listen is a Unix socket, which only one thread can serve; set threads to 1, or listen on host:port`,
    );
  if (kubernetes.pods === 'selector' && kubernetes.selector === '')
    problems.push(
      'kubernetes.pods is selector, but kubernetes.selector is empty; set it, such as to app=llama',
    );
  const ids = deployments.map(({ id }) => id);
  if (kubernetes.deployment !== '' && !ids.includes(kubernetes.deployment))
    problems.push(
      `kubernetes.deployment: unknown deployment ${JSON.stringify(kubernetes.deployment)}; known deployments: ${ids.join(', ')}`,
    );
  if (ingress.cors.credentials && ingress.cors.origins.includes('*'))
    problems.push(
      'ingress.cors.credentials is true, but ingress.cors.origins has *: browsers refuse both together; name the origins',
    );
  if (scale.min_replica > scale.max_replica)
    problems.push(
      `scale.min_replica (${scale.min_replica}) is larger than scale.max_replica (${scale.max_replica})`,
    );
  if (child.restart_delay > child.restart_delay_max)
    problems.push(
      `child.restart_delay (${formatDuration(child.restart_delay)}) is larger than child.restart_delay_max (${formatDuration(child.restart_delay_max)})`,
    );
  const { container_interval, gpu_interval, gpu_inventory_interval, max_age } = samplers;
  const longest = Math.max(container_interval, gpu_interval, gpu_inventory_interval);
  if (max_age <= longest)
    problems.push(
      `samplers.max_age (${formatDuration(max_age)}) must be larger than the longest interval of samplers (${formatDuration(longest)}), or readings would expire between two of them`,
    );
  return problems;
}

const isSame = (a: Address, b: Address): boolean =>
  a.path === undefined ? a.port !== 0 && a.port === b.port && a.host === b.host : a.path === b.path;

function betweenAddresses({ ingress, admin, scale }: Config): string[] {
  const servers = Object.entries({ 'ingress.listen': ingress.listen, 'admin.listen': admin.listen });
  if (scale.keda) servers.push(['scale.listen', scale.listen]);
  return servers.flatMap(([name, address], i) =>
    servers
      .slice(i + 1)
      .filter(([, other]) => isSame(other, address))
      .map(
        ([other]) =>
          `${name} and ${other} are the same address, ${formatAddress(address)}; change one of them`,
      ),
  );
}
