// Content codings of bodies (RFC 9110 8.4): removes them from a whole body, or from the beginning of one.
// Invariant: the size of the output is limited.
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';

type Decompress = (bytes: Uint8Array, maxOutputLength: number) => Buffer;

/** Z_SYNC_FLUSH: a truncated body gives the data that it contains. */
const gzip: Decompress = (bytes, maxOutputLength) =>
  gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength });

const CODINGS: Readonly<Record<string, Decompress>> = {
  gzip,
  'x-gzip': gzip,
  deflate(bytes, maxOutputLength) {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength };
    // Some senders omit the zlib header (RFC 9110 8.4.1.2). With the header, the low four bits of the first byte are 8.
    return (bytes[0]! & 0xf) === 8 ? inflateSync(bytes, options) : inflateRawSync(bytes, options);
  },
  br: (bytes, maxOutputLength) =>
    brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength }),
  zstd: (bytes, maxOutputLength) =>
    zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush, maxOutputLength }),
};
/** Maximum number of codings of one body. More of them are an attack. */
const MAX_CODINGS = 2;

/**
 * Removes the codings of a body. `coding`: its Content-Encoding. `problem`: why that is not possible, for example more
 * than `maxBytes` of output.
 */
export function decompress(
  bytes: Uint8Array<ArrayBuffer>,
  coding: string,
  maxBytes: number,
): { bytes: Buffer } | { problem: string } {
  let out = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (coding === '') return { bytes: out };
  const codings = coding
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && one !== 'identity');
  if (codings.length > MAX_CODINGS) return { problem: `more than ${MAX_CODINGS} content codings` };
  // The sender applied the codings in the listed order, so they are removed in reverse.
  for (const name of codings.reverse()) {
    const decompressOne = Object.hasOwn(CODINGS, name) ? CODINGS[name] : undefined;
    if (decompressOne === undefined) return { problem: 'unknown content coding' };
    if (out.length === 0) continue;
    try {
      out = decompressOne(out, maxBytes) as Buffer<ArrayBuffer>;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return {
        problem:
          code === 'ERR_BUFFER_TOO_LARGE' ? 'too large after decompression' : 'damaged compressed data',
      };
    }
  }
  return { bytes: out };
}
