// Decompresses a body (Content-Encoding, RFC 9110 8.4) and decodes it as UTF-8 text.
// Invariant: the decompressed size is limited, and binary data counts as text only if its Content-Type says so.
import { isUtf8 } from 'node:buffer';
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { RawBody } from '../../../../core/exchange/body-capture.ts';

/** `bytes`: exactly the text as UTF-8; `undefined` if the body was not valid UTF-8. */
export type DecodedText =
  { readonly text: string; readonly bytes: Uint8Array | undefined } | { readonly problem: string };

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

/** Decodes a body of up to `maxBytes` decompressed bytes. `problem`: why this is not possible. */
export function decodeBody(body: RawBody, maxBytes: number): DecodedText {
  const decompressed = decompress(body, maxBytes);
  if ('problem' in decompressed) return decompressed;
  const { bytes } = decompressed;
  // The cut may have split a character.
  const whole = body.isCut ? bytes.subarray(0, completeCharacters(bytes)) : bytes;
  const isExact = isUtf8(whole);
  if (isExact || isTextual(body.type)) return { text: whole.toString(), bytes: isExact ? whole : undefined };
  return { problem: 'binary' };
}

const isTextual = (type: string): boolean => /^(?:text\/|application\/(?:[\w.+-]*\+)?json\b)/i.test(type);

function decompress({ bytes, coding }: RawBody, maxBytes: number): { bytes: Buffer } | { problem: string } {
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

/** Number of bytes without a partial UTF-8 character at the end. */
export function completeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return size > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
