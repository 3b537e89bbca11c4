// Sends the head of a Node http message with its bytes unchanged.
// A header value is text of one character per byte here (latin1), as Node reads it. Node writes it back unchanged only if
// the head goes out together with bytes, or with text in latin1: flushHeaders() and text in UTF-8 encode it once more.
import type { OutgoingMessage } from 'node:http';

/** Sends the head now, or with the next write where the message has no body. Its headers must be set. */
export function sendHead(message: OutgoingMessage): void {
  message.write('', 'latin1');
}

/**
 * True for a header that must be set before Content-Length: behind it Node reads its value as UTF-8, to send it in another
 * encoding than the rest. \`lower\`: the name in lower case.
 */
export const mustComeFirst = (lower: string): boolean => lower === 'content-disposition';
