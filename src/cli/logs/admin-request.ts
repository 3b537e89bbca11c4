// One request to an admin server: over TCP, TLS or a Unix socket. The response can be read while it comes in.
// Not protocol/http/one-shot.ts, which reads a response to its end.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { socketPathIn } from '../../core/address.ts';
import { nodeHttps } from '../../core/node-tls.ts';
import { request as httpRequest } from '../../protocol/http/node-http.ts';
import type { ClientTls } from '../client-tls.ts';

export class AdminResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** URL without its query. */
  readonly url: string;
  /** The body as it comes in. */
  readonly body: IncomingMessage;

  constructor(response: IncomingMessage, url: string) {
    this.status = response.statusCode!;
    this.headers = response.headers;
    this.body = response;
    this.url = url;
  }

  /** Reads the body to its end. Rejects if the connection is lost. */
  async text(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.body) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  }
}

/** What a request does besides reading. */
export interface AdminRequestBody {
  readonly method: string;
  readonly text: string | undefined;
}

/** Requests `path` at `url`, with GET unless `content` says otherwise: `http://…`, `https://…` or `unix:/run/weir.sock`. Rejects if there is no response. */
export function requestAdmin(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  tls: ClientTls,
  signal: AbortSignal | undefined,
  { method, text }: AdminRequestBody = { method: 'GET', text: undefined },
): Promise<AdminResponse> {
  return new Promise((resolve, reject) => {
    const socketPath = socketPathIn(url);
    const options = { method, headers, agent: false, ...(signal && { signal }) };
    const answered = (response: IncomingMessage) =>
      resolve(new AdminResponse(response, `${url}${path.split('?', 1)[0]}`));
    const req =
      socketPath !== undefined
        ? httpRequest({ ...options, socketPath, path, host: 'localhost' }, answered)
        : url.startsWith('https:')
          ? // Stated here, since otherwise NODE_TLS_REJECT_UNAUTHORIZED=0 would turn verification off.
            nodeHttps().request(`${url}${path}`, { ...options, ...tls, rejectUnauthorized: true }, answered)
          : httpRequest(`${url}${path}`, options, answered);
    req.on('error', reject);
    req.end(text);
  });
}
