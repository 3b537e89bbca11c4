// Decompresses a body and decodes it as UTF-8 text.
// Invariant: the decompressed size is limited, and binary data counts as text only if its Content-Type says so.
import { isUtf8 } from 'node:buffer';
import type { RawBody } from '../../../../core/exchange/body-capture.ts';
import { decompress } from '../../../../protocol/http/content-coding.ts';

/** `bytes`: exactly the text as UTF-8; `undefined` if the body was not valid UTF-8. */
export type DecodedText =
  { readonly text: string; readonly bytes: Uint8Array | undefined } | { readonly problem: string };

/** Decodes a body of up to `maxBytes` decompressed bytes. `problem`: why this is not possible. */
export function decodeBody(body: RawBody, maxBytes: number): DecodedText {
  const decompressed = decompress(body.bytes, body.coding, maxBytes);
  if ('problem' in decompressed) return decompressed;
  const { bytes } = decompressed;
  // The cut may have split a character.
  const whole = body.isCut ? bytes.subarray(0, completeCharacters(bytes)) : bytes;
  const isExact = isUtf8(whole);
  if (isExact || isTextual(body.type)) return { text: whole.toString(), bytes: isExact ? whole : undefined };
  return { problem: 'binary' };
}

const isTextual = (type: string): boolean => /^(?:text\/|application\/(?:[\w.+-]*\+)?json\b)/i.test(type);

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
