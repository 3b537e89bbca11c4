// One message of OTLP from bytes and to bytes, in either encoding.
// Must stay true: what comes from outside is a message or a problem in words; it never throws for it.
import { Malformed } from './bounds.ts';
import { readJson, writeJson } from './otlp-json.ts';
import type { MessageFields, OtlpMessage } from './messages.ts';
import { readProtobuf, writeProtobuf } from './protobuf.ts';

export const encodings = ['protobuf', 'json'] as const;
export type Encoding = (typeof encodings)[number];

/** Media types on the wire (contracts/logplane.md C3). */
export const CONTENT_TYPES: Readonly<Record<Encoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/** The encoding that a Content-Type names, its parameters aside; `undefined` for another. */
export function encodingOf(contentType: string | undefined): Encoding | undefined {
  const type = contentType?.split(';', 1)[0]!.trim().toLowerCase();
  if (type === CONTENT_TYPES.json) return 'json';
  return type === CONTENT_TYPES.protobuf || type === 'application/protobuf' ? 'protobuf' : undefined;
}

/** `problem` is the end of a sentence: "is cut off: …". */
export type Decoded<F extends MessageFields> =
  { readonly message: OtlpMessage<F> } | { readonly problem: string };

/** Reads a message such as `logsRequest` of messages.ts. */
export function decode<F extends MessageFields>(
  encoding: Encoding,
  fields: F,
  bytes: Uint8Array,
): Decoded<F> {
  try {
    if (encoding === 'protobuf') return { message: readProtobuf(fields, bytes) };
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    return { message: readJson(fields, text) };
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message };
    throw error;
  }
}

/** Writes a message. */
export const encode = <F extends MessageFields>(
  encoding: Encoding,
  fields: F,
  message: OtlpMessage<F>,
): Buffer => {
  if (encoding === 'json') return Buffer.from(writeJson(fields, message));
  const { buffer, byteOffset, byteLength } = writeProtobuf(fields, message);
  return Buffer.from(buffer, byteOffset, byteLength);
};
