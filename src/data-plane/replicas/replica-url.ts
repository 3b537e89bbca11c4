// Parses URLs of replicas: a scheme, a host and a port.

/** Address of a replica. */
export interface ReplicaUrl {
  /** `grpc:` is HTTP/2 in clear text, `grpcs:` HTTP/2 over TLS. */
  readonly protocol: 'http:' | 'https:' | 'grpc:' | 'grpcs:';
  /** The host to connect to: the name as written, or one of its addresses. */
  readonly host: string;
  /** The host as written: the name that a certificate must have. */
  readonly name: string;
  /** Host and port as written, without the scheme's default port: the `Host` of weir's own requests. */
  readonly authority: string;
  readonly port: number;
  /** The URL as written, without a trailing slash. */
  readonly href: string;
}

/** Scheme → default port. Source for gRPC: docs/contracts/serving.md 6.4. */
const PORTS = { 'http:': 80, 'https:': 443, 'grpc:': 50051, 'grpcs:': 443 } as const;

const isScheme = (protocol: string): protocol is ReplicaUrl['protocol'] => Object.hasOwn(PORTS, protocol);

/** True if the replica serves gRPC, and nothing else. */
export const speaksGrpc = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'grpc:' || protocol === 'grpcs:';

/** True if connections to the replica use TLS. */
export const speaksTls = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'https:' || protocol === 'grpcs:';

/** Parses `http://host:port`. A path, a query and a user name are errors. */
export function parseReplicaUrl(input: string): { value: ReplicaUrl } | { problem: string } {
  // Not repeated in the error if it may contain a password or a key.
  const shown = /[@?]/.test(input) ? '***' : JSON.stringify(input);
  const like = 'must be a URL such as http://127.0.0.1:8000';
  const url = URL.parse(input);
  if (!url) return { problem: `is ${shown}, ${like}` };
  const { protocol } = url;
  if (!isScheme(protocol))
    return { problem: `is ${shown}, ${like}: the scheme must be http, https, grpc or grpcs` };
  if (url.hostname === '') return { problem: `is ${shown}, ${like}: the host is missing` };
  if (url.username || url.password)
    return { problem: `is ${shown}, ${like}: a user name or password is not supported` };
  if (!['', '/'].includes(url.pathname) || url.search || url.hash)
    return { problem: `is ${shown}, ${like}: a path is not supported, since requests keep their own` };
  return {
    value: {
      protocol,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      name: url.hostname.replace(/^\[|\]$/g, ''),
      authority: url.host,
      port: Number(url.port) || PORTS[protocol],
      href: `${protocol}//${url.host}`,
    },
  };
}
