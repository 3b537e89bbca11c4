// Settings of the data server.
import { dataTlsOptions } from '../../core/server-tls-options.ts';
import { address, bytes, duration, int, section, socketMode, type Settings } from '../../core/settings.ts';

export const dataServerOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 8080 },
    alias: 'listen',
    doc: 'Address of the data server, which receives requests for the model: `host:port`, or `unix:` and a path.',
  }),
  socket_mode: socketMode({ doc: 'File mode of the data server’s Unix socket.' }),
  tls: dataTlsOptions('data server', 'ingress.tls'),
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
    doc: 'Maximum concurrent gRPC calls on one client connection.',
  }),
  max_connections: int({
    default: 100_000,
    min: 1,
    max: 10_000_000,
    doc: 'Maximum open client connections; further ones are closed immediately.',
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
