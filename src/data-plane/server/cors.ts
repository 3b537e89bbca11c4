// Cross-origin requests of web pages (CORS), by the settings of `ingress.cors`.
// Invariant: only an allowed origin is named in a response, and what the replica says about other origins is dropped.
// Source: https://fetch.spec.whatwg.org/#http-cors-protocol
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Settings } from '../../core/settings.ts';
import type { corsOptions } from './options.ts';

type CorsOptions = Settings<typeof corsOptions>;

/** Response headers that CORS uses. */
const IS_CORS_HEADER = /^access-control-(?:allow|expose|max-age)/i;
/** Longer values are not those of a browser. */
const MAX_ORIGIN = 512;
const MAX_HEADERS = 4096;
/** Names of headers, with commas between them. */
const NAMES = /^[!#$%&'*+.^_`|~0-9a-z-]+(?: *, *[!#$%&'*+.^_`|~0-9a-z-]+)*$/i;

export class Cors {
  readonly #options: CorsOptions;
  readonly #isAny: boolean;
  readonly #exact: ReadonlySet<string>;
  /** Scheme and end of origins with any subdomain: `https://` and `.example.com`, with a port if there is one. */
  readonly #subdomains: readonly (readonly [scheme: string, end: string])[];

  constructor(options: CorsOptions) {
    this.#options = options;
    const origins = options.origins.map((origin) => origin.toLowerCase());
    this.#isAny = origins.includes('*');
    this.#exact = new Set(origins.filter((origin) => !origin.includes('*')));
    this.#subdomains = origins
      .filter((origin) => origin.includes('://*.'))
      .map((origin) => origin.split('*', 2) as [string, string]);
  }

  /** True if the responses to different origins differ. */
  get varies(): boolean {
    return !this.#isAny;
  }

  /** True for an allowed origin. */
  allows(origin: string): boolean {
    if (this.#isAny) return true;
    const lower = origin.slice(0, MAX_ORIGIN).toLowerCase();
    if (this.#exact.has(lower)) return true;
    return this.#subdomains.some(
      ([scheme, end]) =>
        lower.startsWith(scheme) &&
        lower.endsWith(end) &&
        /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/.test(lower.slice(scheme.length, -end.length)),
    );
  }

  /** True for a question whether a request would be allowed. weir answers it, whatever the path is. */
  static isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
    return (
      method === 'OPTIONS' &&
      headers.origin !== undefined &&
      headers['access-control-request-method'] !== undefined
    );
  }

  /** Headers of the answer to a preflight, as a raw list. `undefined`: the origin is not allowed. */
  preflight({ origin, 'access-control-request-headers': asked }: IncomingHttpHeaders): string[] | undefined {
    if (origin === undefined || !this.allows(origin)) return undefined;
    const { methods, max_age } = this.#options;
    const headers = this.#headersFor(asked);
    const list = [...this.#originHeaders(origin), 'Access-Control-Allow-Methods', methods.join(', ')];
    if (headers !== '') list.push('Access-Control-Allow-Headers', headers);
    list.push('Access-Control-Max-Age', String(Math.floor(max_age / 1000)));
    return list;
  }

  /**
   * Adds the headers to whatever response the request gets, and drops those of the replica. Heads must be written with
   * raw lists.
   */
  addTo(req: IncomingMessage, res: ServerResponse): void {
    const { origin } = req.headers;
    const added = this.#responseHeaders(origin);
    const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
    res.writeHead = (...args: unknown[]) => {
      const given = args.at(-1);
      const headers = Array.isArray(given) ? (given as string[]) : [];
      const kept = headers.filter((_, i) => !IS_CORS_HEADER.test(headers[i - (i % 2)]!));
      const others = Array.isArray(given) ? args.slice(0, -1) : args;
      return writeHead(...others, [...kept, ...added]);
    };
  }

  /** Browsers do not take `*` for `authorization`, so with it the headers that they ask for are named. */
  #headersFor(asked: string | undefined): string {
    const { headers } = this.#options;
    if (!headers.includes('*')) return headers.join(', ');
    return asked !== undefined && asked.length <= MAX_HEADERS && NAMES.test(asked) ? asked : '';
  }

  #responseHeaders(origin: string | undefined): string[] {
    if (origin === undefined || !this.allows(origin)) return this.varies ? ['Vary', 'Origin'] : [];
    const { exposed_headers: exposed } = this.#options;
    return [
      ...this.#originHeaders(origin),
      ...(exposed.length > 0 ? ['Access-Control-Expose-Headers', exposed.join(', ')] : []),
    ];
  }

  #originHeaders(origin: string): string[] {
    const list = ['Access-Control-Allow-Origin', this.#isAny ? '*' : origin];
    if (this.#options.credentials) list.push('Access-Control-Allow-Credentials', 'true');
    if (this.varies) list.push('Vary', 'Origin');
    return list;
  }
}
