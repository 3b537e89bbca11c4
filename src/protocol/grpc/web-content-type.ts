// The media types of gRPC-Web, and how they map to those of gRPC.
// Invariant: the suffix, such as `+proto`, is the same on both sides of weir.
// Source: PROTOCOL-WEB.md of grpc/grpc (Content-Type, Text-encoded streams).

/** How the bytes of one gRPC-Web message body are written. */
export interface WebFormat {
  /** In base64. */
  readonly isText: boolean;
  /** `+proto`, `+json` and so on; empty if the type has none. */
  readonly suffix: string;
}

/** `application/grpc-web`, `-text` or `-text-base64`, then a suffix, then parameters. */
const WEB = /^application\/grpc-web(-text(?:-base64)?)?(\+[!#$&^_.a-z0-9-]{1,60})?[ \t]*(?:;|$)/i;
/** `application/grpc` with a suffix. */
const GRPC_SUFFIX = /^application\/grpc(\+[!#$&^_.a-z0-9-]{1,60})?[ \t]*(?:;|$)/i;

/** Reads a Content-Type; `undefined` if it is not one of gRPC-Web. */
export function webFormatOf(contentType: string | undefined): WebFormat | undefined {
  const match = contentType === undefined ? null : WEB.exec(contentType);
  return match === null ? undefined : { isText: match[1] !== undefined, suffix: match[2] ?? '' };
}

/**
 * The format of the response. It is in base64 if Accept names only text types of gRPC-Web, or none at all and the request
 * is in base64 itself.
 */
export function responseFormatOf({ isText, suffix }: WebFormat, accept: string | undefined): WebFormat {
  const named = (accept ?? '').split(',').flatMap((type) => webFormatOf(type.trim()) ?? []);
  return { isText: named.length === 0 ? isText : named.every((format) => format.isText), suffix };
}

/** The Content-Type for the replica. */
export const grpcTypeOf = ({ suffix }: WebFormat): string => `application/grpc${suffix}`;

/** The Content-Type for the client. */
export const webTypeOf = ({ isText, suffix }: WebFormat): string =>
  `application/grpc-web${isText ? '-text' : ''}${suffix}`;

/** The suffix of the Content-Type of a replica; empty if it has none. */
export const grpcSuffixOf = (type: string | undefined): string => GRPC_SUFFIX.exec(type ?? '')?.[1] ?? '';
