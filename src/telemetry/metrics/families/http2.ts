// Families of HTTP/2 connections: with clients, and to replicas. All are 0 with proxy.http2_library `node`.
// Invariant: no request is counted here. Connections count streams as they open and end.
import type { Http2Counters } from '../../../protocol/http2/http2-counters.ts';
import type { Family, Sample } from '../family.ts';
import type { MetricSources } from '../metric-sources.ts';

/** A sample for each side, or for each value of a further label. */
const bySide =
  (samplesOf: (counters: Http2Counters) => readonly Sample[]) =>
  ({ counters: { http2 } }: MetricSources): Sample[] =>
    Object.entries(http2).flatMap(([side, counters]) =>
      samplesOf(counters).map(({ labels, value }) => ({ labels: { side, ...labels }, value })),
    );
const by = (weir: number, peer: number): Sample[] => [
  { labels: { by: 'weir' }, value: weir },
  { labels: { by: 'peer' }, value: peer },
];

export const http2Families: readonly Family[] = [
  {
    name: 'weir_http2_connections',
    type: 'gauge',
    help: 'Open HTTP/2 connections with clients (side client) and to replicas (side replica).',
    labels: ['side'],
    samples: bySide(({ connections }) => [{ labels: {}, value: connections }]),
  },
  {
    name: 'weir_http2_streams',
    type: 'gauge',
    help: 'Open streams of all HTTP/2 connections. A request has one on each side that uses HTTP/2.',
    labels: ['side'],
    samples: bySide(({ streams }) => [{ labels: {}, value: streams }]),
  },
  {
    name: 'weir_http2_streams_reset_total',
    type: 'counter',
    help: 'Streams that ended with RST_STREAM, by who sent it: the peer, or weir (cancelled, refused, or the peer broke a rule).',
    labels: ['side', 'by'],
    samples: bySide(({ resetByWeir, resetByPeer }) => by(resetByWeir, resetByPeer)),
  },
  {
    name: 'weir_http2_goaways_total',
    type: 'counter',
    help: 'GOAWAY frames, by who sent them. Connections end with one when they are drained, too old, or idle too.',
    labels: ['side', 'by'],
    samples: bySide(({ goAwaysSent, goAwaysReceived }) => by(goAwaysSent, goAwaysReceived)),
  },
  {
    name: 'weir_http2_connections_ended_total',
    type: 'counter',
    help: 'HTTP/2 connections that ended early. protocol: the peer broke the protocol. resets, control_frames, window_updates, header_frames, unread_output: the peer was cut off since it sent too many of these or did not read. settings_timeout, ping_timeout: the peer was silent. goaway: the peer sent an error code. socket: the connection was lost.',
    labels: ['side', 'reason'],
    samples: bySide(({ ended }) =>
      Object.entries(ended).map(([reason, value]) => ({ labels: { reason }, value })),
    ),
  },
  {
    name: 'weir_http2_held_bytes',
    type: 'gauge',
    help: 'Bytes that all HTTP/2 connections hold for those that read slowly.',
    labels: [],
    samples: ({ proxy }) => [{ labels: {}, value: proxy.heldBytes.bytes }],
  },
  {
    name: 'weir_http2_held_limit_bytes',
    type: 'gauge',
    help: 'Bytes that HTTP/2 connections may hold (proxy.http2.max_held). Above it, peers may send only as much as was read.',
    labels: [],
    samples: ({ proxy }) => [{ labels: {}, value: proxy.heldBytes.maxBytes }],
  },
];
