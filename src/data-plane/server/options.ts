// Settings of the data door.
import { address, bytes, duration, int, section, text, type Settings } from '../../core/settings.ts';

const tlsOptions = section({
  cert: text({
    default: '',
    doc: 'PEM file with the certificate, its chain behind it. With it and `ingress.tls.key` the data door speaks TLS and nothing else.',
  }),
  key: text({ default: '', doc: 'PEM file with the private key of that certificate, without a passphrase.' }),
  handshake_timeout: duration({
    default: 10_000,
    min: 100,
    doc: 'How long a client may take for the TLS handshake.',
  }),
});

export const dataServerOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 8080 },
    alias: 'listen',
    doc: 'Where requests for the model come in.',
  }),
  tls: tlsOptions,
  header_timeout: duration({
    default: 60_000,
    min: 100,
    doc: 'How long a client may take to send a request’s head.',
  }),
  keep_alive_timeout: duration({
    default: 75_000,
    min: 0,
    doc: 'How long an unused client connection is kept open.',
  }),
  max_header: bytes({ default: 32 * 1024, min: 1024, max: 1024 ** 2, doc: 'Largest head of a request.' }),
  max_streams: int({
    default: 1024,
    min: 1,
    max: 1_000_000,
    doc: 'gRPC calls at once on one connection of a client.',
  }),
  max_connections: int({
    default: 100_000,
    min: 1,
    max: 10_000_000,
    doc: 'Client connections at once; more are closed at once.',
  }),
  drain_delay: duration({
    default: 0,
    doc: 'At SIGTERM, how long connections are still accepted after /readyz has turned to 503.',
  }),
  drain_timeout: duration({
    default: 20 * 60_000,
    doc: 'At SIGTERM, how long running exchanges may go on; weir exits as soon as none is left.',
  }),
});
export type DataServerOptions = Settings<typeof dataServerOptions>;
