// Settings of deployments, their replicas and the pool.
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
import { parseReplicaUrl } from './replica-url.ts';

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
    doc: 'Name in metrics and logs. Empty means r0, r1, … in order.',
  }),
  url: required(
    'a URL',
    'URL of the replica: scheme http, https, h2c, h2, grpc or grpcs, host and port. h2c and h2 are HTTP/2 without and with TLS. Or the path of a Unix socket: `unix:/run/vllm.sock`, for HTTP/2 `h2c+unix:/run/vllm.sock`, for gRPC `grpc+unix:/run/model.sock`.',
    parseReplicaUrl,
    (url) => url.href,
  ),
  gpus: wordList({
    default: [],
    pattern: /^(?:\d{1,4}(?::\d{1,4})?|(?:GPU|MIG)-[\w/-]{4,80})$/,
    like: 'indices such as 0, MIG slices such as 0:1, or UUIDs of GPUs',
    doc: 'GPUs of the replica: indices, `0:1` for a MIG slice, or UUIDs. Empty means the GPUs that its processes use.',
  }),
  container: section({
    cgroup: text({
      default: 'auto',
      pattern: /^(?:auto|\/.*)?$/,
      like: 'auto, a path that begins with /, or empty',
      doc: 'Control group to read its metrics from, by name or path. `auto` means the group of its process, if nothing else runs in that group. Empty means none.',
    }),
    pid: int({
      default: 0,
      min: 0,
      max: 2 ** 22,
      doc: 'Process id of the replica. 0 means the supervised process, or the process that listens on the replica’s port.',
    }),
    docker: text({
      default: '',
      pattern: /^[a-z0-9_.-]{0,128}$/,
      like: 'the name or id of a container, in lower case',
      doc: 'Name or id of its Docker container. Its metrics then come from the Docker daemon.',
    }),
  }),
});

export const deploymentOptions = listOf(
  section({
    id: text({
      default: 'local',
      pattern: label,
      like: labelLike,
      doc: 'Deployment id, for paths such as /deployment/{id}/predict and the metric label `deployment_id`.',
    }),
    environment: text({
      default: 'production',
      pattern: /^[A-Za-z0-9._-]{0,64}$/,
      like: labelLike,
      doc: 'Environment that the deployment serves, for paths such as /environments/{name}/predict. Empty means none.',
    }),
    rollout_phase: choice(['auto', 'stable', 'promoting', ''], {
      default: 'auto',
      doc: 'Metric label `rollout_phase`. `auto` means stable in an environment and empty outside one.',
    }),
    predict_path: text({
      default: '/v1/models/model:predict',
      pattern: path,
      like: pathLike,
      doc: 'Path on the replica for …/predict.',
    }),
    websocket_path: text({
      default: '/v1/websocket',
      pattern: path,
      like: pathLike,
      doc: 'Path on the replica for …/websocket.',
    }),
    readiness_path: text({
      default: '',
      pattern: /^(\/[!-~]*)?$/,
      like: pathLike,
      doc: 'Path of the readiness probe: the replica is ready if a GET returns 2xx. Empty means that a connection is enough, including the TLS handshake and, for h2c and h2, the replica’s SETTINGS. Not for gRPC.',
    }),
    health_service: text({
      default: '',
      pattern: /^[A-Za-z0-9._-]{0,120}$/,
      like: 'the name of a gRPC service',
      doc: 'Service name in the readiness probe of a gRPC replica (grpc.health.v1). Empty means the whole server.',
    }),
    liveness_service: text({
      default: '',
      pattern: /^(?:\*|[A-Za-z0-9._-]{0,120})$/,
      like: 'the name of a gRPC service, or * for the server as a whole',
      doc: 'Service name in the liveness probe of a gRPC replica (grpc.health.v1). `*` means the whole server. Empty means no liveness probe.',
    }),
    tls_ca: text({
      default: '',
      doc: 'PEM file with the certificate authorities of https, h2 and grpcs replicas, instead of the public ones. Read at start and at SIGHUP.',
    }),
    tls_server_name: text({
      default: '',
      pattern: /^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)?$/,
      like: 'a host name',
      doc: 'Host name that certificates of https, h2 and grpcs replicas must have. Empty means the host of their URL.',
    }),
    liveness_path: text({
      default: '',
      pattern: /^(\/[!-~]*)?$/,
      like: pathLike,
      doc: 'Path of the liveness probe: the replica is alive if a GET returns 2xx. A supervised replica that is not alive is restarted. Empty means no liveness probe. Not for gRPC.',
    }),
    traffic_weight: int({
      default: 100,
      min: 0,
      max: 1_000_000,
      doc: 'Share of the environment’s traffic, relative to the other deployments of that environment.',
    }),
    concurrency_target: int({
      default: 0,
      min: 0,
      max: 1_000_000,
      doc: 'Maximum concurrent requests per replica. 0 means no limit.',
    }),
    backpressure: choice(['queue_on_full', 'reject_on_full'], {
      default: 'queue_on_full',
      doc: 'What happens when all ready replicas are full: the request waits, or gets 529. Without a ready replica requests always wait.',
    }),
    max_queue: int({
      default: 10_000,
      min: 0,
      max: 10_000_000,
      doc: 'Maximum waiting requests; further ones get 429. 0 means that no request waits.',
    }),
    queue_timeout: duration({
      default: 20 * MINUTES,
      min: 10,
      doc: 'Longest wait for a replica. Then a request gets 500, a WebSocket upgrade 408.',
    }),
    replicas: listOf(replica, 1),
  }),
);
export type DeploymentOptions = Settings<typeof deploymentOptions>[number];
export type ReplicaOptions = DeploymentOptions['replicas'][number];

export const modelOptions = section({
  id: text({ default: 'local', pattern: label, like: labelLike, doc: 'Metric label `model_id`.' }),
  name: text({ default: 'local', doc: 'Metric label `model_name`.' }),
});

export const poolOptions = section({
  probe_interval: duration({
    default: 10_000,
    min: 50,
    doc: 'Time between two readiness probes of a ready replica, and between two liveness probes.',
  }),
  probe_retry_interval: duration({
    default: 500,
    min: 50,
    doc: 'Time between two readiness probes of a replica that is not ready.',
  }),
  resolve_interval: duration({
    default: 10_000,
    doc: 'Time between two lookups of a host name in a replica’s URL; each address becomes a replica of its own. 0 means never; the system then chooses an address for each connection.',
  }),
  probe_timeout: duration({ default: 2000, min: 50, doc: 'Time limit of one probe.' }),
  probe_failures: int({
    default: 3,
    min: 1,
    max: 1000,
    doc: 'Consecutive failed readiness probes after which a ready replica gets no more requests.',
  }),
  liveness_failures: int({
    default: 9,
    min: 1,
    max: 1000,
    doc: 'Consecutive failed liveness probes after which a replica counts as dead.',
  }),
  startup_timeout: duration({
    default: 30 * MINUTES,
    min: 100,
    doc: 'Time in which a replica must become ready. A supervised replica that does not is restarted.',
  }),
  busy_grace: duration({
    default: 60_000,
    doc: 'A probe without a response is ignored if the replica has requests in flight and sent data within this time.',
  }),
  eject_failures: int({
    default: 5,
    min: 1,
    max: 1_000_000,
    doc: 'Consecutive broken responses after which a replica is ejected: it gets no requests for a while. At least half of the replicas stay.',
  }),
  eject_time: duration({
    default: 10_000,
    min: 50,
    doc: 'Duration of an ejection. Doubles with each one, up to 5 minutes.',
  }),
  slow_return: duration({
    default: 10_000,
    doc: 'Time in which a replica that returns gradually gets its full share of requests again.',
  }),
  max_queue_bytes: bytes({
    default: 256 * 1024 ** 2,
    doc: 'Maximum bytes of request bodies that all waiting requests buffer together; beyond that a request gets 429.',
  }),
});
export type PoolOptions = Settings<typeof poolOptions>;
