// Settings of deployments and their replicas, and of how their health is asked for.
import {
  bytes,
  choice,
  duration,
  int,
  listOf,
  required,
  section,
  text,
  wordList,
  type Settings,
} from '../../core/settings.ts';

/** Where a replica answers. */
export interface ReplicaUrl {
  /** `grpc:` is HTTP/2 in clear text, `grpcs:` HTTP/2 over TLS. */
  readonly protocol: 'http:' | 'https:' | 'grpc:' | 'grpcs:';
  /** The host to connect to: the name as written, or one of its addresses. */
  readonly host: string;
  /** The host as written: the name that a certificate must have. */
  readonly name: string;
  /** Host and port as written, without the port of the scheme: the `Host` of weir's own requests. */
  readonly authority: string;
  readonly port: number;
  /** As written, without a trailing slash. */
  readonly href: string;
}

/** Scheme → the port where none is written. For gRPC: contracts/baseten.md 6.4. */
const PORTS = { 'http:': 80, 'https:': 443, 'grpc:': 50051, 'grpcs:': 443 } as const;

const isScheme = (protocol: string): protocol is ReplicaUrl['protocol'] => Object.hasOwn(PORTS, protocol);

/** True where the replica takes gRPC calls, and nothing else. */
export const speaksGrpc = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'grpc:' || protocol === 'grpcs:';

/** True where the replica is reached over TLS. */
export const speaksTls = ({ protocol }: { readonly protocol: string }): boolean =>
  protocol === 'https:' || protocol === 'grpcs:';

/** Reads `http://host:port`: no path, no query, no user name; https and grpcs where the replica speaks TLS. */
function parseReplicaUrl(input: string): { value: ReplicaUrl } | { problem: string } {
  // What may hold a password or a key is not repeated.
  const shown = /[@?]/.test(input) ? '***' : JSON.stringify(input);
  const like = 'must be a URL such as http://127.0.0.1:8000';
  const url = URL.parse(input);
  if (!url) return { problem: `is ${shown}, ${like}` };
  const { protocol } = url;
  if (!isScheme(protocol))
    return { problem: `is ${shown}, ${like}: the scheme must be http, https, grpc or grpcs` };
  if (url.hostname === '') return { problem: `is ${shown}, ${like}: there is no host` };
  if (url.username || url.password)
    return { problem: `is ${shown}, ${like}: a user name or password is not supported` };
  if (!['', '/'].includes(url.pathname) || url.search || url.hash)
    return { problem: `is ${shown}, ${like}: a path is not supported, requests keep their own` };
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

const MINUTES = 60_000;

const label = /^[A-Za-z0-9._-]{1,64}$/;
const labelLike = 'up to 64 letters, digits, dots, dashes or underscores';
const path = /^\/[!-~]*$/;
const pathLike = 'a path that begins with /';

const replica = section({
  id: text({
    default: '',
    pattern: /^[A-Za-z0-9._-]{0,64}$/,
    like: labelLike,
    doc: 'Name in metrics and logs; empty: r0, r1, … in order.',
  }),
  url: required(
    'a URL',
    'Where the replica answers: http, https, grpc or grpcs, host and port.',
    parseReplicaUrl,
    (url) => url.href,
  ),
  gpus: wordList({
    default: [],
    pattern: /^(?:\d{1,4}(?::\d{1,4})?|(?:GPU|MIG)-[\w/-]{4,80})$/,
    like: 'indices such as 0, MIG slices such as 0:1, or UUIDs of GPUs',
    doc: 'Its GPUs: indices, `0:1` for a MIG slice, or UUIDs; empty: those on which its processes are seen.',
  }),
  container: section({
    cgroup: text({
      default: 'auto',
      pattern: /^(?:auto|\/.*)?$/,
      like: 'auto, a path that begins with /, or empty',
      doc: 'Control group of its figures, by name or path; auto: its process’s, if it is alone there; empty: none.',
    }),
    pid: int({
      default: 0,
      min: 0,
      max: 2 ** 22,
      doc: 'Its process; 0: the supervised one, or the one that listens on its port.',
    }),
    docker: text({
      default: '',
      pattern: /^[a-z0-9_.-]{0,128}$/,
      like: 'the name or id of a container, in small letters',
      doc: 'Name or id of its Docker container, whose figures then come from the daemon.',
    }),
  }),
});

export const deploymentOptions = listOf(
  section({
    id: text({
      default: 'local',
      pattern: label,
      like: labelLike,
      doc: 'Deployment id: /deployment/{id}/… and the metrics’ label.',
    }),
    environment: text({
      default: 'production',
      pattern: /^[A-Za-z0-9._-]{0,64}$/,
      like: labelLike,
      doc: 'Environment it serves: /environments/{name}/…; empty: none.',
    }),
    rollout_phase: choice(['auto', 'stable', 'promoting', ''], {
      default: 'auto',
      doc: 'The metrics’ label; auto is stable in an environment and empty outside one.',
    }),
    predict_path: text({
      default: '/v1/models/model:predict',
      pattern: path,
      like: pathLike,
      doc: 'Where …/predict goes on the replica.',
    }),
    websocket_path: text({
      default: '/v1/websocket',
      pattern: path,
      like: pathLike,
      doc: 'Where …/websocket goes on the replica.',
    }),
    readiness_path: text({
      default: '',
      pattern: /^(\/[!-~]*)?$/,
      like: pathLike,
      doc: 'A GET that answers 2xx when the replica is ready; empty: a connection is enough, over TLS with its handshake. Not for gRPC.',
    }),
    health_service: text({
      default: '',
      pattern: /^[A-Za-z0-9._-]{0,120}$/,
      like: 'the name of a gRPC service',
      doc: 'The service that a gRPC replica’s grpc.health.v1 is asked for; empty: the server as a whole.',
    }),
    liveness_service: text({
      default: '',
      pattern: /^(?:\*|[A-Za-z0-9._-]{0,120})$/,
      like: 'the name of a gRPC service, or * for the server as a whole',
      doc: 'The service that a gRPC replica’s grpc.health.v1 is asked for to learn whether it is alive, as liveness_path for HTTP; `*`: the server as a whole. Empty: not asked.',
    }),
    tls_ca: text({
      default: '',
      doc: 'PEM file with the authorities that sign certificates of https and grpcs replicas, in the place of the public ones; read at the start and at SIGHUP.',
    }),
    tls_server_name: text({
      default: '',
      pattern: /^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)?$/,
      like: 'a host name',
      doc: 'The name that certificates of https and grpcs replicas are made out to; empty: the host of their URL.',
    }),
    liveness_path: text({
      default: '',
      pattern: /^(\/[!-~]*)?$/,
      like: pathLike,
      doc: 'A GET that answers 2xx while the replica is alive; a supervised one that is not is started anew. Empty: not asked. Not for gRPC.',
    }),
    traffic_weight: int({
      default: 100,
      min: 0,
      max: 1_000_000,
      doc: 'Share of its environment’s traffic, relative to the other deployments of that environment.',
    }),
    concurrency_target: int({
      default: 0,
      min: 0,
      max: 1_000_000,
      doc: 'Requests one replica gets at once; what does not fit waits in line. 0: as many as come.',
    }),
    backpressure: choice(['queue_on_full', 'reject_on_full'], {
      default: 'queue_on_full',
      doc: 'When all ready replicas are full: wait in line, or 529. Without a ready replica requests wait either way.',
    }),
    max_queue: int({
      default: 10_000,
      min: 0,
      max: 10_000_000,
      doc: 'Requests that may wait in line; the next one gets 429. 0: nobody waits.',
    }),
    queue_timeout: duration({
      default: 20 * MINUTES,
      min: 10,
      doc: 'How long a request may wait for a replica; then it gets 500, a WebSocket 408.',
    }),
    replicas: listOf(replica, 1),
  }),
);
export type DeploymentOptions = Settings<typeof deploymentOptions>[number];
export type ReplicaOptions = DeploymentOptions['replicas'][number];

export const modelOptions = section({
  id: text({ default: 'local', pattern: label, like: labelLike, doc: 'The metrics’ label model_id.' }),
  name: text({ default: 'local', doc: 'The metrics’ label model_name.' }),
});
export type ModelOptions = Settings<typeof modelOptions>;

export const poolOptions = section({
  probe_interval: duration({
    default: 10_000,
    min: 50,
    doc: 'How often a ready replica is asked whether it still is, and whether it is alive.',
  }),
  probe_retry_interval: duration({ default: 500, min: 50, doc: 'How often one that is not ready is asked.' }),
  resolve_interval: duration({
    default: 10_000,
    doc: 'How often host names in replicas’ URLs are resolved; each address is a replica of its own. 0: never; the system then chooses an address for each connection.',
  }),
  probe_timeout: duration({ default: 2000, min: 50, doc: 'How long a replica may take to answer that.' }),
  probe_failures: int({
    default: 3,
    min: 1,
    max: 1000,
    doc: 'Failed readiness probes in a row after which a ready replica gets no more requests.',
  }),
  liveness_failures: int({
    default: 9,
    min: 1,
    max: 1000,
    doc: 'Failed liveness probes in a row after which a replica counts as dead.',
  }),
  startup_timeout: duration({
    default: 30 * MINUTES,
    min: 100,
    doc: 'How long a replica may take to become ready; a supervised one is then started anew.',
  }),
  busy_grace: duration({
    default: 60_000,
    doc: 'A probe that gets no answer does not count against a replica that works on requests and was heard within this time.',
  }),
  eject_failures: int({
    default: 5,
    min: 1,
    max: 1_000_000,
    doc: 'Answers broken off in a row after which a replica gets no requests for a while; never the last half of them.',
  }),
  eject_time: duration({
    default: 10_000,
    min: 50,
    doc: 'How long that is; doubles each time up to 5 minutes.',
  }),
  slow_return: duration({
    default: 10_000,
    doc: 'How long a replica that is back takes to get its full share again.',
  }),
  max_queue_bytes: bytes({
    default: 256 * 1024 ** 2,
    doc: 'Request bodies held for all that wait in line; beyond that they get 429.',
  }),
});
export type PoolOptions = Settings<typeof poolOptions>;
