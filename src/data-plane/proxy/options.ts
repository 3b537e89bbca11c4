// Settings of moving bytes: how long each step may take.
import { bytes, duration, flag, int, section, wordList, type Settings } from '../../core/settings.ts';

const MINUTES = 60_000;

const retryOptions = section({
  connect_attempts: int({
    default: 16,
    min: 1,
    max: 16,
    doc: 'Times that a request is sent when replicas cannot be reached, another replica first. 1: once.',
  }),
  methods: wordList({
    default: ['POST'],
    pattern: /^[A-Z]+$/,
    like: 'methods such as POST',
    doc: 'Methods whose requests are sent again when a replica answers 502, 503 or 504; empty: none.',
  }),
  exclude_paths: wordList({
    default: [],
    pattern: /^\/[!-~]*$/,
    like: 'paths that begin with /',
    doc: 'Requests whose path begins with one of these are not sent again after such an answer.',
  }),
  max_time: duration({
    default: 15 * MINUTES,
    doc: 'How long after its beginning a request may be sent again after such an answer.',
  }),
  budget: int({
    default: 20,
    min: 0,
    max: 100,
    doc: 'Percent of a deployment’s open requests that may be such repeats at a time; three always may.',
  }),
  max_body: bytes({
    default: 256 * 1024,
    doc: 'Request bodies up to this size are kept until the answer begins, to be sent again.',
  }),
});
export type RetryOptions = Settings<typeof retryOptions>;

export const proxyOptions = section({
  fast_lane: flag({
    default: true,
    doc: 'Move ordinary HTTP/1.1 between raw sockets; without it everything goes through Node’s own HTTP server.',
  }),
  connect_timeout: duration({ default: 5000, min: 10, doc: 'How long a connection to a replica may take.' }),
  first_byte_timeout: duration({
    default: 20 * MINUTES,
    min: 10,
    doc: 'How long a replica may take to send the head of its answer once it has the request; then idle_timeout applies.',
  }),
  idle_timeout: duration({
    default: 5 * MINUTES,
    min: 100,
    doc: 'How long nothing may move in either direction once bytes flow.',
  }),
  total_timeout: duration({
    default: 20 * MINUTES,
    min: 10,
    doc: 'How long a request may take in all; WebSockets are exempt.',
  }),
  max_body: bytes({ default: 100 * 1024 ** 2, doc: 'Largest request body.' }),
  websocket_max_message: bytes({
    default: 100 * 1024 ** 2,
    min: 1,
    doc: 'Largest message of a WebSocket, either way, as it travels (compressed or not); a larger one ends it with 1009.',
  }),
  websocket_idle_timeout: duration({
    default: 0,
    doc: 'How long a WebSocket may carry no byte at all, pings included; then it ends with 1001. 0: for ever.',
  }),
  retry: retryOptions,
  replica_idle_timeout: duration({
    default: 4000,
    min: 100,
    doc: 'How long an unused connection to a replica is kept; keep it below the replica’s own limit.',
  }),
  replica_connection_age: duration({
    default: MINUTES,
    doc: 'A connection to an HTTP replica that is older is not used for another request; 0: for ever. A Kubernetes Service chooses a pod for each connection, so a short time brings pods that are new their share.',
  }),
  session_idle_timeout: duration({
    default: 5 * MINUTES,
    min: 100,
    doc: 'How long an unused connection to a gRPC replica is kept.',
  }),
});
export type ProxyOptions = Settings<typeof proxyOptions>;
