// What the HTTP/2 connections of one side have done, towards clients or towards replicas. Read by the metrics page.
// Invariant: a connection writes here when it opens, ends, and when one of its streams opens, closes or is reset; never
// while bytes move.
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';
import type { ConnectionProblem } from './error-code.ts';

const PROBLEMS = [
  'protocol',
  'resets',
  'control_frames',
  'window_updates',
  'header_frames',
  'unread_output',
  'settings_timeout',
  'ping_timeout',
  'goaway',
  'socket',
] as const satisfies readonly ConnectionProblem[];

/** Index of each value. */
const CONNECTIONS = 0;
const STREAMS = 1;
const RESET_BY_PEER = 2;
const RESET_BY_WEIR = 3;
const GO_AWAYS_RECEIVED = 4;
const GO_AWAYS_SENT = 5;
const ENDED = 6;
const LENGTH = ENDED + PROBLEMS.length;

/** One for all connections of a thread with clients, and one for all its connections to replicas. */
export class Http2Counters {
  readonly #values: Float64Array;

  /** `arrays`: memory that another thread shares, if one reads or writes these counts. */
  constructor(arrays: ArraySource = privateArrays) {
    this.#values = arrays.float64(LENGTH);
  }

  /** The sums of several threads at this moment. */
  static sum(threads: readonly Http2Counters[]): Http2Counters {
    const sums = new Http2Counters();
    for (const thread of threads)
      for (const [i, value] of thread.#values.entries()) sums.#values[i]! += value;
    return sums;
  }

  /** Open connections. */
  get connections(): number {
    return this.#values[CONNECTIONS]!;
  }
  set connections(value: number) {
    this.#values[CONNECTIONS] = value;
  }

  /** Open streams of all connections. */
  get streams(): number {
    return this.#values[STREAMS]!;
  }
  set streams(value: number) {
    this.#values[STREAMS] = value;
  }

  /** Streams that RST_STREAM of the peer ended. */
  get resetByPeer(): number {
    return this.#values[RESET_BY_PEER]!;
  }
  set resetByPeer(value: number) {
    this.#values[RESET_BY_PEER] = value;
  }

  /** Streams that weir ended with RST_STREAM: cancelled, refused, or since the peer broke a rule. */
  get resetByWeir(): number {
    return this.#values[RESET_BY_WEIR]!;
  }
  set resetByWeir(value: number) {
    this.#values[RESET_BY_WEIR] = value;
  }

  /** GOAWAY frames of the peers. */
  get goAwaysReceived(): number {
    return this.#values[GO_AWAYS_RECEIVED]!;
  }
  set goAwaysReceived(value: number) {
    this.#values[GO_AWAYS_RECEIVED] = value;
  }

  /** GOAWAY frames of weir. */
  get goAwaysSent(): number {
    return this.#values[GO_AWAYS_SENT]!;
  }
  set goAwaysSent(value: number) {
    this.#values[GO_AWAYS_SENT] = value;
  }

  /** A connection is over. `problem`: why, if not as planned. */
  connectionEnded(problem: ConnectionProblem | undefined): void {
    this.connections--;
    if (problem !== undefined) this.#values[ENDED + PROBLEMS.indexOf(problem)]!++;
  }

  /** Connections that ended early, by reason. */
  get ended(): Readonly<Record<ConnectionProblem, number>> {
    const ended = PROBLEMS.map((problem, i) => [problem, this.#values[ENDED + i]!] as const);
    return Object.fromEntries(ended) as Record<ConnectionProblem, number>;
  }

  /** The thread is gone, and its connections with it. */
  lost(): void {
    this.connections = this.streams = 0;
  }
}
