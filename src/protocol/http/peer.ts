// Who is at the other end of a client's connection.
// Invariant: the address of a connection through a Unix socket is UNIX_CLIENT, and a subject is set only for a
// certificate that was verified.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { UNIX_CLIENT } from '../../core/address.ts';
import { rawSocketOf } from './reset.ts';

export interface Peer {
  /** IP address, an IPv4-mapped one (::ffff:1.2.3.4) as IPv4; `unix` for a Unix socket; empty if the socket is closed. */
  readonly address: string;
  /** Subject of the client's certificate (core/client-subject.ts); empty without one. */
  readonly subject: string;
  /** The stream is one of HTTP/2, in place of a connection of HTTP/1.1. */
  readonly isHttp2: boolean;
}

/** A property of the socket, since Node shows the socket of an HTTP/2 session only through a proxy. */
const PEER = Symbol('peer');
type WithPeer = Duplex & { [PEER]?: Peer };

const UNIX_PEER: Peer = { address: UNIX_CLIENT, subject: '', isHttp2: false };

/** A server accepted this connection on a Unix socket. Call it before anything else uses the connection. */
export function cameThroughUnixSocket(socket: Socket): void {
  (socket as WithPeer)[PEER] = UNIX_PEER;
}

/** The handshake of a connection has ended. `raw`: what it runs over. `subject`: of a verified certificate. */
export function hasSubject(socket: Duplex, raw: Socket, subject: string): void {
  (socket as WithPeer)[PEER] = { address: peerOf(raw).address, subject, isHttp2: false };
}

/** `stream` stands for a stream of HTTP/2 on the connection `client`. */
export function hasPeerOf(stream: Duplex, client: Duplex): void {
  (stream as WithPeer)[PEER] = { ...peerOf(client), isHttp2: true };
}

/** The client of a connection. `stream`: a socket, a TLS socket, that of an HTTP/2 session, or a stream over one. */
export function peerOf(stream: Duplex): Peer {
  for (let layer: Duplex | undefined = stream; layer !== undefined; layer = rawSocketOf(layer)) {
    const peer = (layer as WithPeer)[PEER];
    if (peer !== undefined) return peer;
  }
  const address = (stream as Socket).remoteAddress ?? '';
  return { address: address.startsWith('::ffff:') ? address.slice(7) : address, subject: '', isHttp2: false };
}
