// Serves the web page of the admin server: one document for all its addresses, and the files that the build made.
// Invariant: nothing here is secret or depends on a key; files are read at their first request and never compressed here.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../../core/package-file.ts';
import { acceptsCoding } from '../../protocol/http/accept-coding.ts';

/** Where `npm run build:page` writes. */
const BUILT = fileURLToPath(packageFile('dist/page/'));

/** All that a browser may do with the page. Styles are set by scripts, never in attributes. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'clipboard-write=(self)',
};

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  woff2: 'font/woff2',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
};

/** Suffixes of compressed copies, the smallest first, and the coding of each. */
const CODINGS = [
  ['.br', 'br'],
  ['.gz', 'gzip'],
] as const;

/** A file with its compressed copy that the client accepts. */
interface Variant {
  readonly name: string;
  readonly coding: string | undefined;
}

export class WebPage {
  readonly #folder: string;
  /** Names of all files, below the folder; `undefined` until the first request. */
  #names: ReadonlySet<string> | undefined;
  readonly #contents = new Map<string, Promise<Buffer>>();

  readonly #failed: (error: unknown) => void;

  /** `failed`: is told of files that cannot be read. `folder`: where the build is, for tests. */
  constructor(failed: (error: unknown) => void, folder?: string) {
    this.#failed = failed;
    this.#folder = folder ?? BUILT;
  }

  /** Answers a request for the page. Returns false, without an answer, for all other addresses. */
  handle(req: IncomingMessage, res: ServerResponse): boolean {
    if (req.method !== 'GET' && req.method !== 'HEAD') return false;
    const url = req.url!;
    const at = url.indexOf('?');
    const path = at === -1 ? url : url.slice(0, at);
    if (path === '/') return acceptsHtml(req) && redirect(res, '/ui/');
    if (path.startsWith('/app/')) return acceptsHtml(req) && this.#fromBraintrust(url, res);
    if (path === '/ui') return redirect(res, `/ui/${at === -1 ? '' : url.slice(at)}`);
    if (!path.startsWith('/ui/')) return false;
    void this.#serve(path.slice('/ui/'.length), req, res).catch((error: unknown) => {
      this.#failed(error);
      // It may come back: the build is replaced while weir runs.
      this.#names = undefined;
      this.#contents.clear();
      if (res.headersSent) res.destroy();
      else notBuilt(res);
    });
    return true;
  }

  /** Links that Braintrust's SDK prints (docs/contracts/braintrust.md). */
  #fromBraintrust(url: string, res: ServerResponse): boolean {
    const { pathname, searchParams } = new URL(url, 'http://weir');
    const [trace, span, id] = ['r', 's', 'id'].map((name) => searchParams.get(name));
    if (/^\/app\/[^/]+\/p\/[^/]+\/logs$/.test(pathname))
      return redirect(
        res,
        trace
          ? `/ui/trace/${encodeURIComponent(trace)}${span ? `?span=${encodeURIComponent(span)}` : ''}`
          : '/ui/logs',
      );
    if (/^\/app\/[^/]+\/object$/.test(pathname) && id)
      return redirect(res, `/ui/id/${encodeURIComponent(id)}`);
    return false;
  }

  async #serve(path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.#names ??= namesIn(this.#folder);
    // A last segment with a dot names a file, all others are addresses of the one document.
    const isFile = path.startsWith('a/') || path === 'LICENSES.txt';
    const variant = this.#variantOf(isFile ? path : 'index.html', req);
    if (variant === undefined) return isFile ? notFound(res) : notBuilt(res);
    const { name, coding } = variant;
    const bytes = await this.#read(name + (CODINGS.find(([, one]) => one === coding)?.[0] ?? ''));
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
    res.writeHead(200, {
      ...SECURITY_HEADERS,
      'Content-Type': type,
      'Content-Length': bytes.length,
      // Names of files have a hash of their content.
      'Cache-Control': path.startsWith('a/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      Vary: 'Accept-Encoding',
      ...(coding === undefined ? {} : { 'Content-Encoding': coding }),
    });
    res.end(req.method === 'HEAD' ? undefined : bytes);
  }

  /** `undefined`: there is no such file. */
  #variantOf(name: string, { headers }: IncomingMessage): Variant | undefined {
    if (!this.#names!.has(name)) return undefined;
    const accepted = headers['accept-encoding'];
    const coding = CODINGS.find(
      ([suffix, one]) => acceptsCoding(accepted, one) && this.#names!.has(name + suffix),
    );
    return { name, coding: coding?.[1] };
  }

  /** Content of a file, which is kept. */
  #read(name: string): Promise<Buffer> {
    let content = this.#contents.get(name);
    if (content === undefined) {
      content = readFile(this.#folder + name);
      this.#contents.set(name, content);
    }
    return content;
  }
}

/** Names of the files below a folder; none if the page is not built. */
function namesIn(folder: string): ReadonlySet<string> {
  try {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    return new Set(files.map(({ parentPath, name }) => relative(folder, join(parentPath, name))));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
    throw error;
  }
}

const acceptsHtml = ({ headers }: IncomingMessage): boolean => (headers.accept ?? '').includes('text/html');

function redirect(res: ServerResponse, location: string): true {
  res.writeHead(302, { ...SECURITY_HEADERS, Location: location, 'Content-Length': 0 }).end();
  return true;
}

const sendText = (res: ServerResponse, status: number, text: string): void =>
  void res
    .writeHead(status, {
      ...SECURITY_HEADERS,
      'Content-Type': TYPES['txt'],
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
    })
    .end(text);

/** Of an older build, perhaps: a tab that was open while weir was replaced. */
const notFound = (res: ServerResponse): void =>
  sendText(res, 404, 'No such file of the page. If weir has been updated, reload the page.\n');

const notBuilt = (res: ServerResponse): void =>
  sendText(res, 503, 'The page is not built. Run npm run build:page, and reload.\n');
