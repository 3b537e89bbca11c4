// What the connections of the fast lane work with.
import type { Socket } from 'node:net';
import type { SubjectHeader } from '../../../core/client-subject.ts';
import type { Deadlines } from '../../../core/deadlines.ts';
import type { Exchanges } from '../../../core/exchange/exchange.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import type { ForwarderContext } from '../forwarder.ts';
import type { FastAccess } from './fast-access.ts';
import type { SubmissionDecision, SubmissionTarget } from './fast-submission.ts';
import type { ReplicaConnections } from './replica-connection.ts';

/** Limits of a client connection. */
export const LIMITS = {
  /** A head that comes in more pieces is read by the full lane. */
  headPieces: 8,
  /** A head that is not whole after this time is read by the full lane, which has a time limit for it. */
  partialHeadMs: 50,
  /** Bytes of later requests that are held while one is served; with more the client is not read. */
  heldBytes: 64 * 1024,
} as const;

/** Where a request goes. `picker` counts it when it is sent there. */
export interface RouteDecision {
  readonly kind: 'forward';
  readonly deployment: number;
  /** What the replica sees. */
  readonly path: string;
  readonly picker: { take(deployment: number): void };
}

/** What the fast lane can do with a request. */
export type FastDecision = RouteDecision | SubmissionDecision;

/** What a data server gives to its fast lane. */
export interface FastLaneOptions {
  readonly exchanges: Exchanges;
  /** Scheme of the clients' requests. */
  readonly proto: 'http' | 'https';
  /** `undefined`: replicas are not told the subject of the client's certificate. */
  readonly subjectHeader: SubjectHeader | undefined;
  readonly maxHeadBytes: number;
  /** How long a connection may be silent before its first request, and between two requests. */
  readonly headerTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Where a request goes, or undefined if the full lane must decide that. */
  readonly decide: (head: RequestHead) => FastDecision | undefined;
  readonly submissions: SubmissionTarget;
  /** `undefined`: no key is required. */
  readonly access: FastAccess | undefined;
  /** Header lines for each response of a replica, each with its line end. */
  readonly responseLines: string;
  /**
   * Gives a connection, paused and with all its unread bytes put back, to the full lane for good. `first`: these bytes,
   * if they are the first of the connection.
   */
  readonly handOver: (socket: Socket, first: Buffer | undefined) => void;
}

export interface FastContext extends Omit<ForwarderContext, 'deadlines'>, FastLaneOptions {
  /** Time limits of connections. */
  readonly deadlines: Deadlines;
  readonly connections: ReplicaConnections;
  /** Replicas do not get `Authorization`. The parser drops it, so it is not in `removed`. */
  readonly dropsKey: boolean;
}

/** The client connections of a lane. */
export interface ConnectionSet<Connection> {
  readonly isDraining: boolean;
  /** Connections on which no request runs are to be closed. */
  readonly closesIdle: boolean;
  /** The connection is closed, or belongs to the full lane now. */
  remove(connection: Connection): void;
}
