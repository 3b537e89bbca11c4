// The file of an export, by a signed URL: whole or a range of it, compressed for clients that accept that.
// Invariant: without a signature of this weir for this path and time, nothing of the file is sent.
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { SignatureProblem, UrlSigner } from '../../../core/url-signer.ts';
import type { ExportFile } from '../../../telemetry/exports/exports.ts';
import { clientUrl } from '../client-url.ts';
import { fail, queryOf } from '../endpoint.ts';
import { acceptsGzip } from '../../../protocol/http/accept-coding.ts';

const pathOf = (id: string): string => `/v1/logs/exports/${encodeURIComponent(id)}/file`;
/** A HEAD request needs the same signature. */
const signed = (id: string) => ({ method: 'GET', path: pathOf(id) });

/** The URL of the file of an export, at the host that the client has used. */
export const fileUrl = (urls: UrlSigner, id: string, expiresMs: number, req: IncomingMessage): string =>
  `${clientUrl(req)}${pathOf(id)}?${urls.sign(signed(id), expiresMs)}`;

/** False, after an error response, for a request whose URL is not signed. */
export function hasSignature(
  urls: UrlSigner,
  id: string,
  req: IncomingMessage,
  res: ServerResponse,
): boolean {
  const problem = urls.check(signed(id), queryOf(req), Date.now());
  if (problem !== undefined) failSignature(problem, 'the download of the export', req, res);
  return problem === undefined;
}

/** Sends the error response of a URL that may not be used. `source`: where a client gets one that may. */
export function failSignature(
  problem: SignatureProblem,
  source: string,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const text = {
    missing: `The URL of the file is not signed; get one from ${source}`,
    wrong: `The signature of the URL is wrong; use the URL as ${source} gives it`,
    expired: `The URL of the file has expired; get a new one from ${source}`,
  }[problem];
  fail(req, res, 'forbidden', '', { text });
}

interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/**
 * The range of a request; `undefined`: the whole file. Several ranges, and other units, are ignored, as a server may (RFC
 * 9110 14.2).
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Number(last);
    return length === 0 || size === 0
      ? 'unsatisfiable'
      : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  if (start >= size) return 'unsatisfiable';
  if (last !== '' && Number(last) < start) return undefined;
  return { start, end: last === '' ? size - 1 : Math.min(size - 1, Number(last)) };
}

/** Sends the file, or the part of it that the request wants. */
export async function sendFile(
  file: ExportFile,
  id: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const etag = `"${file.sha256}"`;
  const condition = req.headers['if-range'];
  const wanted = condition === undefined || condition === etag ? req.headers.range : undefined;
  const range = rangeOf(wanted, file.bytes);
  res.setHeader('Cache-Control', 'private, no-store');
  res.setHeader('Accept-Ranges', 'bytes');
  res.setHeader('Vary', 'Accept-Encoding');
  if (range === 'unsatisfiable') {
    res.setHeader('Content-Range', `bytes */${file.bytes}`);
    res.writeHead(416, { 'content-length': 0 }).end();
    return;
  }
  res.setHeader('Content-Type', file.mediaType);
  res.setHeader('Content-Disposition', `attachment; filename="logs_export_${id}.${file.extension}"`);
  // Parquet is compressed already.
  if (range === undefined && file.format !== 'parquet' && acceptsGzip(req.headers['accept-encoding'])) {
    res.writeHead(200, { 'content-encoding': 'gzip', etag: `W/${etag}` });
    return send(file, undefined, req, res);
  }
  const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
  if (range !== undefined) res.setHeader('Content-Range', `bytes ${start}-${end}/${file.bytes}`);
  res.writeHead(range === undefined ? 200 : 206, { 'content-length': end - start + 1, etag });
  return send(file, { start, end }, req, res);
}

/** Sends the body. `part`: the bytes that are sent as they are; `undefined`: all, compressed. */
async function send(
  { path, bytes }: ExportFile,
  part: ByteRange | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (req.method === 'HEAD' || bytes === 0) return void res.end();
  try {
    if (part === undefined)
      await pipeline(createReadStream(path), createGzip({ level: constants.Z_BEST_SPEED }), res);
    else await pipeline(createReadStream(path, { ...part }), res);
  } catch (error) {
    // The client has left.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
