// WEIR_… variables that Kubernetes and Docker set for a Service or container called weir or weir-….
// Invariant: a variable counts as a service link only if its name and its value have the documented form.
import { isIP } from 'node:net';

const isPort = (value: string): boolean => /^\d{1,5}$/.test(value) && Number(value) <= 65_535;
const isAddress = (value: string): boolean => isIP(value) !== 0;
const isProtocol = (value: string): boolean => /^(?:tcp|udp|sctp)$/.test(value);
/** `tcp://10.96.0.7:8080`, `tcp://[fd00::7]:8080`. */
const isLink = (value: string): boolean => {
  const [, host = '', port = ''] = /^(?:tcp|udp|sctp):\/\/(.+):(\d+)$/.exec(value) ?? [];
  return isPort(port) && isAddress(/^\[(.*)\]$/.exec(host)?.[1] ?? host);
};

/**
 * Names behind the name of the Service or container, and what their values look like. Kubernetes: "Environment
 * variables" of the page "Service" (`{NAME}_SERVICE_HOST`, `{NAME}_SERVICE_PORT`, `{NAME}_SERVICE_PORT_{PORT NAME}`),
 * and those compatible with Docker's legacy container links, which also have ranges of ports (`_START`, `_END`).
 */
const LINKS: readonly (readonly [end: RegExp, fits: (value: string) => boolean])[] = [
  [/_SERVICE_HOST$/, isAddress],
  [/_SERVICE_PORT(?:_[A-Z0-9_]+)?$/, isPort],
  [/_PORT$/, isLink],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)(?:_START|_END)?$/, isLink],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR$/, isAddress],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_PORT(?:_START|_END)?$/, isPort],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO$/, isProtocol],
];

/** Only Docker sets this one: `WEIR_FRONT_NAME=/model/weir-front`, the path of the link. */
function isPathOfLink(name: string, value: string): boolean {
  const [, alias] = /^(?:\/[^/\s]+)?\/([^/\s]+)$/.exec(value) ?? [];
  return (
    alias !== undefined &&
    (name === 'WEIR_NAME' || name === `${alias.toUpperCase().replaceAll('-', '_')}_NAME`)
  );
}

/**
 * True for a variable that Kubernetes or Docker set for a Service or container called weir or weir-…. A link of Docker
 * also copies the other container's environment (`WEIR_ENV_PATH`): that counts only beside the link's own `WEIR_NAME`.
 */
export function isServiceLink(name: string, env: NodeJS.ProcessEnv): boolean {
  const value = env[name] ?? '';
  if (LINKS.some(([end, fits]) => end.test(name) && fits(value)) || isPathOfLink(name, value)) return true;
  const parts = name.split('_ENV_');
  return parts.slice(1).some((_, i) => isServiceLink(`${parts.slice(0, i + 1).join('_ENV_')}_NAME`, env));
}
