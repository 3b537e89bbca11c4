// What the HTTP/2 connections of one side have done, towards clients or towards replicas. Read by the metrics page.
// Invariant: a connection writes here when it opens, ends, and when one of its streams opens, closes or is reset; never
// while bytes move.
import type { ConnectionProblem } from './error-code.ts';

/** One for all connections with clients, and one for all connections to replicas. */
export class Http2Counters {
  /** Open connections. */
  connections = 0;
  /** Open streams of all connections. */
  streams = 0;
  /** Streams that RST_STREAM of the peer ended. */
  resetByPeer = 0;
  /** Streams that weir ended with RST_STREAM: cancelled, refused, or since the peer broke a rule. */
  resetByWeir = 0;
  goAwaysReceived = 0;
  goAwaysSent = 0;
  readonly #ended: Record<ConnectionProblem, number> = {
    protocol: 0,
    resets: 0,
    control_frames: 0,
    window_updates: 0,
    header_frames: 0,
    unread_output: 0,
    settings_timeout: 0,
    ping_timeout: 0,
    goaway: 0,
    socket: 0,
  };

  /** A connection is over. `problem`: why, if not as planned. */
  connectionEnded(problem: ConnectionProblem | undefined): void {
    this.connections--;
    if (problem !== undefined) this.#ended[problem]++;
  }

  /** Connections that ended early, by reason. */
  get ended(): Readonly<Record<ConnectionProblem, number>> {
    return this.#ended;
  }
}
