// The head of a replica's response as text: for the client, and for Node's parser.
import type { ResponseHead } from '../../protocol/http/response-head-parser.ts';

/** Maximum size of one head in bytes, the same as the limit that Node's parser gets. */
export const MAX_RESPONSE_HEAD_BYTES = 64 * 1024;

/** An interim response (1xx) as the client gets it, to be written as latin1. */
export const interimText = ({ status, reason, kept }: ResponseHead): string =>
  `HTTP/1.1 ${status} ${reason}\r\n${kept}\r\n`;

/**
 * The head for Node's parser, in latin1: without the fields for the connection to the replica, except those that tell
 * Node whether to keep that connection, and for how long. `original`: the head as the replica sent it.
 */
export function cleanHead(
  { minor, status, reason, kept, keepAlive }: ResponseHead,
  original: string,
): Buffer {
  const hint = keepAlive ? (/\r\nkeep-alive:[^\r]*/i.exec(original)?.[0].slice(2) ?? '') : '';
  const connection = `Connection: ${keepAlive ? 'keep-alive' : 'close'}\r\n${hint === '' ? '' : `${hint}\r\n`}`;
  return Buffer.from(`HTTP/1.${minor} ${status} ${reason}\r\n${kept}${connection}\r\n`, 'latin1');
}
