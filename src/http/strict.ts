// What Node's parser takes and we do not, because some server behind us might read it another way.
// Must stay true: a request refused here never reaches a replica. The list is from peers.md 3.2.
import type { IncomingMessage } from 'node:http';

/** Names that a gateway in front of a Python app would fold into framing headers (`_` and `-` are one in WSGI). */
const LOOKALIKE = /^(transfer_encoding|content_length)$/i;
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Why this request is refused, or `''` where nothing is wrong with it. */
export function problemWith(req: IncomingMessage): string {
  if (req.httpVersionMajor !== 1) return `HTTP/${req.httpVersion} is not a version of HTTP/1`;
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && req.httpVersionMinor === 0) return 'HTTP/1.0 has no Transfer-Encoding';
  // Another coding beneath would be lost on the way: nobody but the two ends of a connection may know of it.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return 'the only Transfer-Encoding served is chunked';
  const target = req.url ?? '';
  if (target === '*' ? req.method !== 'OPTIONS' : !target.startsWith('/'))
    return 'the request target must be a path';
  let hosts = 0;
  const raw = req.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
    if (LOOKALIKE.test(name))
      return `the header ${name} is refused, it looks like one that frames the message`;
    if (CONTROL.test(raw[i + 1]!)) return `the header ${name} has a control character in it`;
  }
  if (hosts > 1) return 'there is more than one Host header';
  if (hosts === 0 && req.httpVersionMinor === 1) return 'there is no Host header';
  return '';
}

/**
 * `http://host/path` as a request target, which servers must accept (RFC 9112 3.2.2): its path and its authority,
 * which then stands for Host. `undefined` where the target is not of that form.
 */
export function absoluteForm(target: string): { path: string; authority: string } | undefined {
  const match = /^https?:\/\/([^/?#@\s]+)([/?][^#\s]*)?$/i.exec(target);
  if (!match) return undefined;
  const path = match[2] ?? '/';
  return { authority: match[1]!, path: path.startsWith('?') ? `/${path}` : path };
}
