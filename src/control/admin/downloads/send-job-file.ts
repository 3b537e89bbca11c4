// Sends the file of a download: all of it while it is still written, or a range of the complete file.
// Invariant: a response that ends without an error has every byte that it announced; that of a file that failed is cut.
import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { waitAtMost } from '../../../core/wait.ts';
import { isClosed } from '../logs/paged-search.ts';
import { rangeOf } from '../portkey/export-file.ts';
import { writeChunk } from '../write-chunk.ts';
import type { DownloadJob } from './download-job.ts';

/** Wait for a short file, so that its size can be sent. */
const SHORT_MS = 500;
const CHUNK_BYTES = 64 * 1024;

/** Sends the file. Returns false, without a response, if there is none. */
export async function sendJobFile(
  job: DownloadJob,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<boolean> {
  const { id, format, mediaType } = job.facts;
  const etag = `"${id}"`;
  const condition = req.headers['if-range'];
  const wanted = condition === undefined || condition === etag ? req.headers.range : undefined;
  // The size must be known for a range.
  const untilMs = performance.now() + (wanted === undefined ? SHORT_MS : Infinity);
  while (job.state === 'running' && performance.now() < untilMs && !isClosed(res))
    await waitAtMost(SHORT_MS, job.changed());
  if (isClosed(res)) return true;
  if (job.state !== 'running' && job.state !== 'finished') return false;
  const isComplete = job.state === 'finished';
  const range = isComplete ? rangeOf(wanted, job.bytes) : undefined;
  res.setHeader('Cache-Control', 'private, no-store');
  res.setHeader('Accept-Ranges', 'bytes');
  if (range === 'unsatisfiable') {
    res.setHeader('Content-Range', `bytes */${job.bytes}`);
    res.writeHead(416, { 'content-length': 0 }).end();
    return true;
  }
  const { start, end } = range ?? { start: 0, end: isComplete ? job.bytes - 1 : Infinity };
  if (range !== undefined) res.setHeader('Content-Range', `bytes ${start}-${end}/${job.bytes}`);
  res.writeHead(range === undefined ? 200 : 206, {
    etag,
    'content-type': mediaType,
    'content-disposition': `attachment; filename="weir-logs-${id.slice(0, 8)}.${format}"`,
    ...(isComplete && { 'content-length': end - start + 1 }),
  });
  // A client learns at once that the download has begun, also before there are bytes.
  res.flushHeaders();
  if (req.method === 'HEAD') res.end();
  else if (await pump(job, start, end, res)) res.end();
  else res.destroy();
  return true;
}

/** Sends the bytes from `start` up to `end`, as they are written. Returns false if the client has left or the file failed. */
async function pump(job: DownloadJob, start: number, end: number, res: ServerResponse): Promise<boolean> {
  // The file is made with its first bytes.
  while (job.state === 'running' && job.bytes === 0 && !isClosed(res)) await job.changed();
  if (hasEnded(job, res)) return false;
  const handle = await open(job.facts.path, 'r');
  try {
    for (let at = start; ;) {
      // Before the bytes are looked at, so that no change is missed.
      const { state } = job;
      const change = job.changed();
      if (hasEnded(job, res)) return false;
      const length = Math.min(CHUNK_BYTES, job.bytes - at, end - at + 1);
      if (length > 0) {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
        if (bytesRead === 0) return false;
        if (!(await writeChunk(res, buffer.subarray(0, bytesRead)))) return false;
        at += bytesRead;
        job.sentUpTo(at);
      } else if (state === 'finished') return true;
      else await change;
    }
  } finally {
    await handle.close();
  }
}

/** The client has left, or there is no file any more. */
const hasEnded = ({ state }: DownloadJob, res: ServerResponse): boolean =>
  isClosed(res) || state === 'failed' || state === 'stopped';
