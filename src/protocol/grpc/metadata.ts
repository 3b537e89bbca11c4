// Changes the metadata of a gRPC call for the replica and for the client.
// Invariant: all other metadata keeps its names, values, duplicates and order, binary values too.
// Raw lists are name, value, name, value, …, with names in lower case and pseudo-headers first (RFC 9113 8.2 and 8.3).
import type { SubjectHeader } from '../../core/client-subject.ts';
import {
  ATTEMPTS_HEADER_LOWER,
  FORWARDED_FOR_HEADER_LOWER,
  ID_HEADER_LOWER,
  isLookalike,
  REQUEST_ID_HEADER_LOWER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from '../../core/header-names.ts';

/** Removes headers by the settings. */
export interface RemovedMetadata {
  has(name: string): boolean;
}

export const TIMEOUT_HEADER = 'grpc-timeout';
export const STATUS_HEADER = 'grpc-status';
export const MESSAGE_HEADER = 'grpc-message';

/** Headers that weir sets for the replica. The client's are dropped. */
const SET_FOR_REPLICA = new Set([ID_HEADER_LOWER, TRACE_HEADER, TIMEOUT_HEADER, 'host']);

/** What the metadata for the replica says about the client and the call. */
export interface ForwardedCall {
  readonly id: string;
  /** Empty if the replica gets none. */
  readonly traceparent: string;
  /** The trace is the client's, so its `tracestate` is passed on (W3C Trace Context 3.3). */
  readonly isClientTrace: boolean;
  readonly remoteAddress: string;
  /** Header with the subject of the client's certificate; `undefined`: none is set. */
  readonly subjectHeader: SubjectHeader | undefined;
  /** The subject; empty if the client has no certificate. */
  readonly clientSubject: string;
}

/** True for `application/grpc`, with or without a suffix such as `+proto`. */
export const isGrpc = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/grpc(?:$|[+; ])/i.test(contentType);

/**
 * Headers for the replica as a raw list. `timeout` replaces the client's grpc-timeout; empty if there is none. `dropped`:
 * headers that the settings remove.
 */
export function metadataToReplica(
  raw: readonly string[],
  call: ForwardedCall,
  scheme: 'http' | 'https',
  timeout: string,
  dropped?: RemovedMetadata,
): string[] {
  const { subjectHeader, clientSubject } = call;
  const out: string[] = [];
  let forwardedFor = '';
  let hasRequestId = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (name === ':scheme') out.push(name, scheme);
    else if (name === FORWARDED_FOR_HEADER_LOWER) forwardedFor += `${value}, `;
    else if (
      !SET_FOR_REPLICA.has(name) &&
      !isLookalike(name) &&
      subjectHeader?.isNamed(name) !== true &&
      dropped?.has(name) !== true &&
      (call.isClientTrace || name !== TRACESTATE_HEADER)
    ) {
      hasRequestId ||= name === REQUEST_ID_HEADER_LOWER;
      out.push(name, value);
    }
  }
  if (timeout !== '') out.push(TIMEOUT_HEADER, timeout);
  out.push(ID_HEADER_LOWER, call.id);
  if (!hasRequestId) out.push(REQUEST_ID_HEADER_LOWER, call.id);
  if (call.traceparent !== '') out.push(TRACE_HEADER, call.traceparent);
  if (subjectHeader !== undefined && clientSubject !== '')
    out.push(subjectHeader.lower, subjectHeader.valueOf(clientSubject));
  out.push(FORWARDED_FOR_HEADER_LOWER, forwardedFor + call.remoteAddress);
  return out;
}

/** Initial metadata or trailers for the client as a raw list. Sets the request id and the number of attempts. */
export function metadataToClient(raw: readonly string[], id: string, attempts: number): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name !== ID_HEADER_LOWER && name !== ATTEMPTS_HEADER_LOWER && !isLookalike(name))
      out.push(name, raw[i + 1]!);
  }
  out.push(ID_HEADER_LOWER, id, ATTEMPTS_HEADER_LOWER, String(attempts));
  return out;
}

/** The first value of a name; `undefined` if there is none. */
export function metadataValue(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1];
  return undefined;
}

/** A raw list as an object, as Node's `sendTrailers` takes it. Values of a repeated name become an array. */
export function metadataObject(raw: readonly string[]): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const known = out[name];
    if (known === undefined) out[name] = value;
    else if (typeof known === 'string') out[name] = [known, value];
    else known.push(value);
  }
  return out;
}
