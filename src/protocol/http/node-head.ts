// Sends the head of a Node HTTP message with the bytes of its header values unchanged.
// Node reads a header value as latin1, one character per byte. It writes the same bytes only if the head is sent
// together with a Buffer or with text in latin1. flushHeaders() and text in UTF-8 encode the value a second time.
import type { OutgoingMessage } from 'node:http';

/** Sends the head now, or with the next write if the message has no body. All headers must be set. */
export function sendHead(message: OutgoingMessage): void {
  message.write('', 'latin1');
}

/**
 * True for a header that must be set before Content-Length, since Node encodes its value differently after it. `lower`:
 * the name in lower case.
 */
export const mustComeFirst = (lower: string): boolean => lower === 'content-disposition';
