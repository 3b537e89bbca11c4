// Settings of moving bytes: how long each step may take.
import { bytes, duration, flag, section, type Settings } from '../base/settings.ts';

const MINUTES = 60_000;

export const proxyOptions = section({
  fast_lane: flag({
    default: true,
    doc: 'Move ordinary HTTP/1.1 between raw sockets; without it everything goes through Node’s own HTTP server.',
  }),
  connect_timeout: duration({ default: 5000, min: 10, doc: 'How long a connection to a replica may take.' }),
  first_byte_timeout: duration({
    default: 20 * MINUTES,
    min: 10,
    doc: 'How long a replica may take to begin its answer once it has the request.',
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
  replica_idle_timeout: duration({
    default: 4000,
    min: 100,
    doc: 'How long an unused connection to a replica is kept; keep it below the replica’s own limit.',
  }),
});
export type ProxyOptions = Settings<typeof proxyOptions>;
