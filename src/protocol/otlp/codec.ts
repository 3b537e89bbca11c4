// Encodes and decodes OTLP messages as protobuf or JSON.
// Invariant: `decode` does not throw for any input; it returns a message or a problem.
import { mediaTypeOf } from '../../core/media-type.ts';
import { MalformedMessage } from './limits.ts';
import { readJson, writeJson } from './otlp-json.ts';
import type { MessageFields, OtlpMessage } from './messages.ts';
import { readProtobuf, writeProtobuf } from './protobuf.ts';

export const encodings = ['protobuf', 'json'] as const;
export type Encoding = (typeof encodings)[number];

/** Media types on the wire (docs/contracts/logs.md 3). */
export const CONTENT_TYPES: Readonly<Record<Encoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/** The encoding of a Content-Type, whose parameters are ignored; `undefined` for any other type. */
export function encodingOf(contentType: string | undefined): Encoding | undefined {
  const type = mediaTypeOf(contentType);
  if (type === CONTENT_TYPES.json) return 'json';
  return type === CONTENT_TYPES.protobuf || type === 'application/protobuf' ? 'protobuf' : undefined;
}

/** `problem` completes a sentence: "the body …". */
type Decoded<F extends MessageFields> = { readonly message: OtlpMessage<F> } | { readonly problem: string };

/** Decodes a message. `fields`: its table in messages.ts, such as `logsRequest`. */
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
    if (error instanceof MalformedMessage) return { problem: error.message };
    throw error;
  }
}

/** Encodes a message. `fields`: its table in messages.ts. */
export const encode = <F extends MessageFields>(
  encoding: Encoding,
  fields: F,
  message: OtlpMessage<F>,
): Buffer => {
  if (encoding === 'json') return Buffer.from(writeJson(fields, message));
  const { buffer, byteOffset, byteLength } = writeProtobuf(fields, message);
  return Buffer.from(buffer, byteOffset, byteLength);
};
