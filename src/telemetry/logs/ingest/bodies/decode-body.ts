// A body as it passed, as text: unpacked where it is packed (RFC 9110 8.4), decoded where it is UTF-8.
// Must stay true: however small what is packed, what comes out of it is bounded; what is no text is not taken for some.
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

export type DecodedText = { readonly text: string } | { readonly problem: string };

type Unpack = (bytes: Uint8Array, maxOutputLength: number) => Buffer;

/** What was cut, or broken off, gives as much as there is: nobody waits for the end of it. */
const gzip: Unpack = (bytes, maxOutputLength) =>
  gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength });

const CODINGS: Readonly<Record<string, Unpack>> = {
  gzip,
  'x-gzip': gzip,
  deflate(bytes, maxOutputLength) {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength };
    // Some senders leave out the wrapping that the name asks for (RFC 9110 8.4.1.2): its first four bits are 8.
    return (bytes[0]! & 0xf) === 8 ? inflateSync(bytes, options) : inflateRawSync(bytes, options);
  },
  br: (bytes, maxOutputLength) =>
    brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength }),
  zstd: (bytes, maxOutputLength) =>
    zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush, maxOutputLength }),
};
/** More codings than this are no content, but an attack on who unpacks it. */
const MAX_CODINGS = 2;

/** The body as text of up to `maxBytes` bytes, or why it is none. */
export function textOf(body: RawBody, maxBytes: number): DecodedText {
  const unpacked = unpack(body, maxBytes);
  if ('problem' in unpacked) return unpacked;
  const { bytes } = unpacked;
  // A character may have been cut in two.
  const whole = body.isCut ? bytes.subarray(0, completeCharacters(bytes)) : bytes;
  if (isUtf8(whole) || isTextual(body.type)) return { text: whole.toString() };
  return { problem: 'binary' };
}

const isTextual = (type: string): boolean => /^(?:text\/|application\/(?:[\w.+-]*\+)?json\b)/i.test(type);

function unpack({ bytes, coding }: RawBody, maxBytes: number): { bytes: Buffer } | { problem: string } {
  let out = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const codings = coding
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '' && one !== 'identity');
  if (codings.length > MAX_CODINGS) return { problem: 'packed too often' };
  // The last one was applied last.
  for (const name of codings.reverse()) {
    const how = Object.hasOwn(CODINGS, name) ? CODINGS[name] : undefined;
    if (how === undefined) return { problem: 'packed in a way that is not known' };
    if (out.length === 0) continue;
    try {
      out = how(out, maxBytes) as Buffer<ArrayBuffer>;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return { problem: code === 'ERR_BUFFER_TOO_LARGE' ? 'too large when unpacked' : 'packed, and damaged' };
    }
  }
  return { bytes: out };
}

/** Where the last character ends that is whole: UTF-8 says at its first byte how many it has. */
export function completeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return size > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
