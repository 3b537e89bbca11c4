// Reads environment variables: WEIR_… settings, and those that name a receiver of traces.
// Invariant: every WEIR_… variable is a setting, a variable of the client commands, a service link, or a mistake.
import { CONFIG, pathSetBy, REPLICA, suggestion, type GivenValue, type SettingPath } from './given-value.ts';
import { settings } from './schema.ts';
import { isServiceLink } from './service-links.ts';

/** Variables of weir's client commands, such as `weir logs`. The server knows them and ignores them. */
export const CLIENT = {
  url: 'WEIR_CLIENT_URL',
  key: 'WEIR_CLIENT_KEY',
  caFile: 'WEIR_CLIENT_CA_FILE',
  certFile: 'WEIR_CLIENT_CERT_FILE',
  keyFile: 'WEIR_CLIENT_KEY_FILE',
} as const;

/** Older names, which `weir logs` reads after CLIENT. WEIR_ADMIN_KEY is a setting of the server too: `admin.key`. */
export const OLD_CLIENT = { url: 'WEIR_ADMIN_URL', key: 'WEIR_ADMIN_KEY' } as const;

const ONLY_CLIENT: ReadonlySet<string> = new Set([...Object.values(CLIENT), OLD_CLIENT.url]);
/** What bin/weir says: the path with which it was called. */
export const LAUNCHER_VARIABLE = 'WEIR_LAUNCHER';
/** What a weir that is being replaced says to the new one (app/restart/predecessor.ts). */
export const RESTART_VARIABLE = 'WEIR_RESTART';
/** Set by weir itself. */
const OWN: ReadonlySet<string> = new Set([LAUNCHER_VARIABLE, RESTART_VARIABLE]);

const NOT_SETTINGS: readonly string[] = [REPLICA.variable, CONFIG.variable];

const byVariable = new Map(
  settings.flatMap((setting) => setting.variables.map((name) => [name, setting] as const)),
);

/** Reads the WEIR_… variables. `links`: names of service links, which are ignored. */
export function readVariables(
  env: NodeJS.ProcessEnv,
  problems: string[],
): { given: GivenValue[]; links: string[] } {
  const given: GivenValue[] = [];
  const links: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('WEIR_') || value === undefined) continue;
    if (NOT_SETTINGS.includes(name) || ONLY_CLIENT.has(name) || OWN.has(name)) continue;
    const setting = byVariable.get(name);
    if (setting) given.push({ path: pathSetBy(setting), value, origin: name });
    else if (isServiceLink(name, env)) links.push(name);
    else {
      const known = [...byVariable.keys(), ...NOT_SETTINGS, ...Object.values(CLIENT)];
      problems.push(`unknown variable ${name}${suggestion(name, known)}`);
    }
  }
  return { given, links };
}

const TRACES_ENDPOINT: SettingPath = ['export', 'traces_endpoint'];

/**
 * Reads the receiver of spans from OTEL_EXPORTER_OTLP_ENDPOINT or Honeycomb's variables (docs/contracts/serving.md 7.6).
 * Ignores them if weir's own sources set anything about traces, so that a key is never sent to another endpoint.
 */
export function readTracing(env: NodeJS.ProcessEnv, given: readonly GivenValue[]): GivenValue[] {
  if (given.some(({ path }) => path[0] === 'export' && String(path[1]).startsWith('traces_'))) return [];
  const { OTEL_EXPORTER_OTLP_ENDPOINT: url, HONEYCOMB_API_KEY: key, HONEYCOMB_DATASET: dataset } = env;
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

/** The whole URL, as truss reads it (docs/contracts/serving.md 7.6); a URL without a path is a base, as in OpenTelemetry. */
const tracesUrl = (url: string): string =>
  URL.parse(url)?.pathname === '/' ? new URL('/v1/traces', url).href : url;
