// Who may use the admin API. Must stay true: comparing a key takes the same time whatever is wrong with it.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The key in `Authorization: Bearer …` or, as older clients send it, `Api-Key …` (contracts/baseten.md 1.5). */
const presented = (req: IncomingMessage): string =>
  /^(?:Bearer|Api-Key) +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? '';

const LOOPBACK_PEER = /^(?:127\.|::1$|::ffff:127\.)/;
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i;

/**
 * With a key set: who presents it. Without one: connections from this machine, and only under a name of this machine,
 * so that a web page cannot reach us through a browser here by pointing its own name at 127.0.0.1.
 */
export function isAllowed(req: IncomingMessage, key: string): boolean {
  if (key !== '') return timingSafeEqual(digest(presented(req)), digest(key));
  return LOOPBACK_PEER.test(req.socket.remoteAddress ?? '') && LOOPBACK_HOST.test(req.headers.host ?? '');
}

/**
 * False for a request that a web page of another origin has a browser send: it needs no key from here, and browsers
 * send simple POSTs without asking first.
 */
export function isOwnPage(req: IncomingMessage): boolean {
  const { origin, host = '' } = req.headers;
  return origin === undefined || URL.parse(origin)?.host === host;
}
