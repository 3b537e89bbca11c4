// What the connections of the fast lane work with.
import type { Socket } from 'node:net';
import type { SubjectHeader } from '../../../core/client-subject.ts';
import type { Exchanges } from '../../../core/exchange/exchange.ts';
import type { ForwarderContext } from '../forwarder.ts';
import type { ReplicaConnections } from './replica-connection.ts';

/** Where a request goes. `picker` counts it when it is sent there. */
export interface RouteDecision {
  readonly deployment: number;
  /** What the replica sees. */
  readonly path: string;
  readonly picker: { take(deployment: number): void };
}

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
  readonly decide: (method: string, target: string) => RouteDecision | undefined;
  /**
   * Gives a connection, paused and with all its unread bytes put back, to the full lane for good. `first`: these bytes,
   * if they are the first of the connection.
   */
  readonly handOver: (socket: Socket, first: Buffer | undefined) => void;
}

export interface FastContext extends Omit<ForwarderContext, 'active'>, FastLaneOptions {
  readonly connections: ReplicaConnections;
}

/** The client connections of a lane. */
export interface ConnectionSet<Connection> {
  readonly isDraining: boolean;
  /** The connection is closed, or belongs to the full lane now. */
  remove(connection: Connection): void;
}
