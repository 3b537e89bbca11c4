// Settings of the data server.
import { address, bytes, duration, int, section, text, type Settings } from '../../core/settings.ts';

const tlsOptions = section({
  cert: text({
    default: '',
    doc: 'PEM file with the certificate, followed by its chain. With it and `ingress.tls.key` the data server accepts only TLS.',
  }),
  key: text({ default: '', doc: 'PEM file with the private key of the certificate, without a passphrase.' }),
  handshake_timeout: duration({
    default: 10_000,
    min: 100,
    doc: 'Time limit of the TLS handshake.',
  }),
});

export const dataServerOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 8080 },
    alias: 'listen',
    doc: 'Address of the data server, which receives requests for the model.',
  }),
  tls: tlsOptions,
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
