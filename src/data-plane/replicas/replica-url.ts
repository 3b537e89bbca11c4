// Parses URLs of replicas: a scheme, a host and a port, or the path of a Unix socket.
import { readSocketPath, socketPathIn } from '../../core/address.ts';

/** Address of a replica. */
export interface ReplicaUrl {
  /**
   * `http:` and `https:` are HTTP/1.1. `h2c:` is HTTP/2 in clear text, `h2:` HTTP/2 over TLS. `grpc:` and `grpcs:` are
   * the same two, with gRPC.
   */
  readonly protocol: 'http:' | 'https:' | 'h2c:' | 'h2:' | 'grpc:' | 'grpcs:';
  /** The host to connect to: the name as written, or one of its addresses. */
  readonly host: string;
  /** Path of a Unix socket to connect to, in place of host and port; then the host is `localhost`. */
  readonly path: string | undefined;
  /** The host as written: the name that a certificate must have. */
  readonly name: string;
  /** Host and port as written, without the scheme's default port: the `Host` of weir's own requests. */
  readonly authority: string;
  readonly port: number;
  /** The URL as written, without a trailing slash. */
  readonly href: string;
}

/** Scheme → default port. Source for gRPC: docs/contracts/serving.md 6.4. */
const PORTS = {
  'http:': 80,
  'https:': 443,
  'h2c:': 80,
  'h2:': 443,
  'grpc:': 50051,
  'grpcs:': 443,
} as const;

const isScheme = (protocol: string): protocol is ReplicaUrl['protocol'] => Object.hasOwn(PORTS, protocol);

/** True if the replica serves gRPC, and nothing else. */
export const speaksGrpc = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'grpc:' || protocol === 'grpcs:';

/** True if the replica serves plain requests over HTTP/2. */
export const speaksHttp2 = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'h2c:' || protocol === 'h2:';

/** True if connections to the replica use TLS. */
export const speaksTls = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'https:' || protocol === 'h2:' || protocol === 'grpcs:';

/** Where to connect to a replica, as `net.connect` takes it. */
export const targetOf = ({
  host,
  port,
  path,
}: ReplicaUrl): { path: string } | { host: string; port: number } =>
  path === undefined ? { host, port } : { path };

/**
 * `unix:/run/vllm.sock`, `h2c+unix:…` for HTTP/2, or `grpc+unix:/run/model.sock` for gRPC. `undefined` for a text of
 * another form.
 */
function parseSocketUrl(input: string): { value: ReplicaUrl } | { problem: string } | undefined {
  const [prefix, protocol] = SOCKET_SCHEMES.find(([text]) => input.startsWith(text))!;
  const written = socketPathIn(input.slice(prefix.length));
  if (written === undefined) return undefined;
  const read = readSocketPath(written);
  if ('problem' in read) return { problem: `is ${JSON.stringify(input)}: ${read.problem}` };
  return {
    value: {
      protocol,
      host: 'localhost',
      path: read.path,
      name: 'localhost',
      authority: 'localhost',
      port: 0,
      href: `${prefix}unix:${read.path}`,
    },
  };
}

/** What comes before `unix:`, and the protocol on the socket. */
const SOCKET_SCHEMES = [
  ['grpc+', 'grpc:'],
  ['h2c+', 'h2c:'],
  ['', 'http:'],
] as const;

/** Parses `http://host:port` or `unix:/path`. A path, a query and a user name of a URL with a host are errors. */
export function parseReplicaUrl(input: string): { value: ReplicaUrl } | { problem: string } {
  const socket = parseSocketUrl(input);
  if (socket !== undefined) return socket;
  // Not repeated in the error if it may contain a password or a key.
  const shown = /[@?]/.test(input) ? '***' : JSON.stringify(input);
  const like = 'must be a URL such as http://127.0.0.1:8000 or unix:/run/vllm.sock';
  const url = URL.parse(input);
  if (!url) return { problem: `is ${shown}, ${like}` };
  const { protocol } = url;
  if (!isScheme(protocol))
    return {
      problem: `is ${shown}, ${like}: the scheme must be http, https, h2c, h2, grpc, grpcs, unix, h2c+unix or grpc+unix`,
    };
  if (url.hostname === '') return { problem: `is ${shown}, ${like}: the host is missing` };
  if (url.username || url.password)
    return { problem: `is ${shown}, ${like}: a user name or password is not supported` };
  if (!['', '/'].includes(url.pathname) || url.search || url.hash)
    return { problem: `is ${shown}, ${like}: a path is not supported, since requests keep their own` };
  return {
    value: {
      protocol,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      path: undefined,
      name: url.hostname.replace(/^\[|\]$/g, ''),
      authority: url.host,
      port: Number(url.port) || PORTS[protocol],
      href: `${protocol}//${url.host}`,
    },
  };
}
