// Settings of the proxy: retries, time limits, sizes, and connections to replicas.
import { SET_BY_WEIR } from '../../core/header-names.ts';
import { bytes, choice, duration, flag, int, section, wordList, type Settings } from '../../core/settings.ts';

const MINUTES = 60_000;

const retryOptions = section({
  connect_attempts: int({
    default: 16,
    min: 1,
    max: 16,
    doc: 'Maximum attempts of a request if no connection to a replica can be made. Another replica is tried first. 1 means no retry.',
  }),
  methods: wordList({
    default: ['POST'],
    pattern: /^[A-Z]+$/,
    like: 'methods such as POST',
    doc: 'Methods whose requests are sent again after a response with 502, 503 or 504. Empty means none.',
  }),
  exclude_paths: wordList({
    default: [],
    pattern: /^\/[!-~]*$/,
    like: 'paths that begin with /',
    doc: 'Requests whose path begins with one of these are not sent again after such a response.',
  }),
  max_time: duration({
    default: 15 * MINUTES,
    doc: 'A request is sent again after such a response only within this time from its start.',
  }),
  budget: int({
    default: 20,
    min: 0,
    max: 100,
    doc: 'Maximum share of a deployment’s open requests that may be such retries at a time, in percent. Three are always allowed.',
  }),
  max_body: bytes({
    default: 256 * 1024,
    doc: 'Request bodies up to this size are kept until the response begins, so that they can be sent again.',
  }),
});

/** Headers that frame or route a request, or that weir sets: no setting removes them. */
const NOT_REMOVED = new Set([
  ...SET_BY_WEIR,
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'forwarded',
  'traceparent',
  'tracestate',
]);
const isRemovable = (name: string): boolean => {
  const lower = name.toLowerCase().replaceAll('_', '-');
  return (
    /^[!#$%&'*+.^`|~0-9a-z-]{1,200}$/.test(lower) &&
    !/^(?:grpc|sec-websocket)-/.test(lower) &&
    !NOT_REMOVED.has(lower)
  );
};

/** Limits of windows (RFC 9113 6.9.1), in bytes. */
const MIN_WINDOW = 65_535;
const MAX_WINDOW = 2 ** 31 - 1;

const http2Options = section({
  stream_window: bytes({
    default: 1024 ** 2,
    min: MIN_WINDOW,
    max: MAX_WINDOW,
    doc: 'Bytes of one HTTP/2 stream that a replica may send ahead at first.',
  }),
  max_stream_window: bytes({
    default: 4 * 1024 ** 2,
    min: MIN_WINDOW,
    max: MAX_WINDOW,
    doc: 'Largest window of a stream. It grows up to here while the client reads as fast as the replica sends.',
  }),
  connection_window: bytes({
    default: 16 * 1024 ** 2,
    min: MIN_WINDOW,
    max: MAX_WINDOW,
    doc: 'Bytes that all streams of one HTTP/2 connection to a replica may have on the way together.',
  }),
  max_held: bytes({
    default: 64 * 1024 ** 2,
    min: 1024 ** 2,
    doc: 'Bytes that all HTTP/2 connections, to clients and replicas, may hold for those that read slowly. Above it, each gets no more than has been read from it, and each connection may still add one `stream_window` beside its slowest stream.',
  }),
});

export const proxyOptions = section({
  fast_lane: flag({
    default: true,
    doc: 'Forward ordinary HTTP/1.1 requests between raw sockets. If false, all requests go through Node’s HTTP server.',
  }),
  http2_library: choice(['weir', 'node'], {
    default: 'weir',
    doc: 'Implementation of HTTP/2 for gRPC: weir’s own, or that of Node, which costs more CPU time. `node` is only for problems with `weir` and will be removed.',
  }),
  http2: http2Options,
  connect_timeout: duration({ default: 5000, min: 10, doc: 'Time limit for connecting to a replica.' }),
  first_byte_timeout: duration({
    default: 20 * MINUTES,
    min: 10,
    doc: 'Time limit for the head of a replica’s response, from the end of the request. Afterwards idle_timeout applies.',
  }),
  idle_timeout: duration({
    default: 5 * MINUTES,
    min: 100,
    doc: 'Time limit without any byte in either direction, while a request or a response is being transferred.',
  }),
  total_timeout: duration({
    default: 20 * MINUTES,
    min: 10,
    doc: 'Time limit for a whole request. Does not apply to open WebSockets and gRPC streams.',
  }),
  grpc_stream_timeout: duration({
    default: 0,
    doc: 'Time limit for a whole gRPC stream: a call with more than one message in either direction. 0 means no limit.',
  }),
  max_body: bytes({ default: 100 * 1024 ** 2, doc: 'Maximum size of a request body.' }),
  websocket_max_message: bytes({
    default: 100 * 1024 ** 2,
    min: 1,
    doc: 'Maximum size of a WebSocket message in either direction, as transferred (compressed or not). A larger message closes the WebSocket with code 1009.',
  }),
  websocket_idle_timeout: duration({
    default: 0,
    doc: 'A WebSocket without any byte for this time, pings included, is closed with code 1001. 0 means no limit.',
  }),
  retry: retryOptions,
  remove_headers: wordList({
    default: [],
    pattern: { test: isRemovable },
    like: 'names of headers such as authorization, cookie; not those that frame or route a request, nor those that weir sets',
    doc: 'Headers of clients that replicas do not get, such as `authorization, cookie`. The name counts in any case, and with _ for -.',
  }),
  replica_idle_timeout: duration({
    default: 4000,
    min: 100,
    doc: 'How long an unused connection to an HTTP/1.1 replica is kept. Must be shorter than the replica’s own limit.',
  }),
  replica_connection_age: duration({
    default: MINUTES,
    doc: 'Maximum age of a connection to an HTTP replica, with HTTP/1.1 or HTTP/2; an older one is not used for another request. 0 means no limit. A Kubernetes Service selects a pod per connection, so with a short time new pods get their share of requests.',
  }),
  session_idle_timeout: duration({
    default: 5 * MINUTES,
    min: 100,
    doc: 'How long an unused connection to a gRPC or HTTP/2 replica is kept.',
  }),
});
export type ProxyOptions = Settings<typeof proxyOptions>;
