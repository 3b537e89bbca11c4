// Settings of the data server.
import { dataTlsOptions } from '../../core/server-tls-options.ts';
import {
  address,
  bytes,
  duration,
  flag,
  int,
  section,
  socketMode,
  wordList,
  type Settings,
} from '../../core/settings.ts';

/** `*`, or scheme, host and port, with `*.` for any subdomains. */
const ORIGIN =
  /^(?:\*|[a-z][a-z0-9+.-]*:\/\/(?:\*\.)?(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::\d{1,5})?)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/;

export const corsOptions = section({
  origins: wordList({
    default: [],
    pattern: ORIGIN,
    like: 'origins such as https://app.example.com, https://*.example.com or *, without a path',
    doc: 'Origins of web pages that may call the data server. Empty: weir leaves CORS to the replica.',
  }),
  methods: wordList({
    default: ['GET', 'HEAD', 'POST'],
    pattern: TOKEN,
    like: 'methods such as POST',
    doc: 'Methods that pages may use.',
  }),
  headers: wordList({
    default: ['authorization', 'content-type', 'x-grpc-web', 'x-user-agent', 'grpc-timeout'],
    pattern: TOKEN,
    like: 'names of headers such as content-type',
    doc: 'Request headers that pages may send; * allows all, such as the x-stainless-* headers of OpenAI’s SDK.',
  }),
  exposed_headers: wordList({
    default: [
      'x-baseten-request-id',
      'x-weir-cause',
      'retry-after',
      'server-timing',
      'grpc-status',
      'grpc-message',
      'grpc-status-details-bin',
    ],
    pattern: TOKEN,
    like: 'names of headers such as x-baseten-request-id',
    doc: 'Response headers that pages may read.',
  }),
  credentials: flag({
    default: false,
    doc: 'Allow pages to send cookies and other credentials of the browser. Not with the origin *.',
  }),
  max_age: duration({
    default: 600_000,
    max: 86_400_000,
    doc: 'How long browsers may keep the answer to a preflight.',
  }),
});

/** Limits of windows (RFC 9113 6.9.1), in bytes. */
const MIN_WINDOW = 65_535;
const MAX_WINDOW = 2 ** 31 - 1;

const http2Options = section({
  stream_window: bytes({
    default: 1024 ** 2,
    min: MIN_WINDOW,
    max: MAX_WINDOW,
    doc: 'Bytes of one HTTP/2 stream that a client may send ahead at first. Higher: faster uploads over long distances, more memory.',
  }),
  max_stream_window: bytes({
    default: 8 * 1024 ** 2,
    min: MIN_WINDOW,
    max: MAX_WINDOW,
    doc: 'Largest window of a stream. It grows up to here while the replica reads as fast as the client sends.',
  }),
  connection_window: bytes({
    default: 16 * 1024 ** 2,
    min: MIN_WINDOW,
    max: MAX_WINDOW,
    doc: 'Bytes that all streams of one HTTP/2 connection of a client may have on the way together.',
  }),
  reset_burst: int({
    default: 1000,
    min: 1,
    max: 1_000_000,
    doc: 'HTTP/2 streams that a client may cancel on one connection, beyond one for each stream that ends normally. Above it the connection is cut, as protection from rapid reset.',
  }),
  reset_rate: int({
    default: 33,
    min: 0,
    max: 1_000_000,
    doc: 'How many of these are given back per second.',
  }),
  ping_interval: duration({
    default: 0,
    max: 86_400_000,
    doc: 'A client that sends nothing for this time is asked for a sign of life. 0 means never; TCP keep-alive then finds clients that are gone.',
  }),
  ping_timeout: duration({
    default: 20_000,
    min: 100,
    doc: 'Time in which a client must answer such a ping. Otherwise its connection is closed.',
  }),
  max_connection_age: duration({
    default: 0,
    doc: 'Age at which an HTTP/2 connection is closed once its streams have ended, so that clients connect anew and balance their load. Varied by 10 percent. 0 means no limit.',
  }),
});

export const dataServerOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 8080 },
    alias: 'listen',
    doc: 'Address of the data server, which receives requests for the model: `host:port`, or `unix:` and a path.',
  }),
  socket_mode: socketMode({ doc: 'File mode of the data server’s Unix socket.' }),
  tls: dataTlsOptions('data server', 'ingress.tls'),
  cors: corsOptions,
  header_timeout: duration({
    default: 60_000,
    min: 100,
    doc: 'Time in which a client must send the head of a request.',
  }),
  keep_alive_timeout: duration({
    default: 75_000,
    min: 0,
    doc: 'Time after which an idle client connection is closed.',
  }),
  max_header: bytes({
    default: 32 * 1024,
    min: 1024,
    max: 1024 ** 2,
    doc: 'Maximum size of a request’s head.',
  }),
  max_streams: int({
    default: 1024,
    min: 1,
    max: 1_000_000,
    doc: 'Maximum concurrent requests and gRPC calls on one HTTP/2 connection of a client.',
  }),
  http2: http2Options,
  max_connections: int({
    default: 100_000,
    min: 1,
    max: 10_000_000,
    doc: 'Maximum open client connections; further ones are closed immediately.',
  }),
  max_connections_per_address: int({
    default: 0,
    min: 0,
    max: 10_000_000,
    doc: 'Maximum open client connections from one address (of IPv6: from one /64 network); further ones are closed immediately. 0: no limit. Not behind a load balancer, whose connections all have its address.',
  }),
  overload_delay: duration({
    default: 0,
    max: 60_000,
    doc: 'While the event loop of weir runs later than this, new requests get 503, except those to `client_keys.open_paths`. 0: never.',
  }),
  drain_delay: duration({
    default: 0,
    doc: 'After SIGTERM, time in which connections are still accepted while /readyz already returns 503.',
  }),
  drain_timeout: duration({
    default: 20 * 60_000,
    doc: 'After SIGTERM, time in which running exchanges may end; weir exits when none is left.',
  }),
});
export type DataServerOptions = Settings<typeof dataServerOptions>;
