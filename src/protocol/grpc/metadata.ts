// Header lists of a call as they pass through: what is for this hop only goes, what the next hop must know comes.
// Must stay true: names, values, duplicates and order of the metadata are the sender's, binary ones too.
// Lists are raw: name, value, name, value, …; names are in lower case, as HTTP/2 has them, pseudo-headers first.
import { isLookalike } from '../../core/own-headers.ts';
import {
  ID_HEADER_LOWER,
  REQUEST_ID_HEADER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from '../../core/exchange/identity.ts';

export const TIMEOUT_HEADER = 'grpc-timeout';
export const STATUS_HEADER = 'grpc-status';
export const MESSAGE_HEADER = 'grpc-message';
const ATTEMPTS_HEADER = 'x-baseten-model-prediction-attempts';

/** Names that weir sets itself on the way to the replica. */
const DROPPED_TO_REPLICA = new Set([ID_HEADER_LOWER, TRACE_HEADER, TIMEOUT_HEADER, 'host']);

/** What a replica is told about the way. */
export interface ForwardedCall {
  readonly id: string;
  /** Empty: the replica gets none. */
  readonly traceparent: string;
  /** The trace is the client's, so its `tracestate` passes on (W3C Trace Context 3.3). */
  readonly isClientTrace: boolean;
  readonly remoteAddress: string;
}

/** True for what is sent as gRPC: `application/grpc`, also with a suffix such as `+proto`. */
export const isGrpc = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/grpc(?:$|[+; ])/i.test(contentType);

/** The list for the replica. `timeout` stands for the client's grpc-timeout; empty: there was none. */
export function metadataToReplica(
  raw: readonly string[],
  hop: ForwardedCall,
  scheme: 'http' | 'https',
  timeout: string,
): string[] {
  const out: string[] = [];
  let forwardedFor = '';
  let hasOwnId = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (name === ':scheme') out.push(name, scheme);
    else if (name === 'x-forwarded-for') forwardedFor += `${value}, `;
    else if (
      !DROPPED_TO_REPLICA.has(name) &&
      !isLookalike(name) &&
      (hop.isClientTrace || name !== TRACESTATE_HEADER)
    ) {
      hasOwnId ||= name === REQUEST_ID_HEADER;
      out.push(name, value);
    }
  }
  if (timeout !== '') out.push(TIMEOUT_HEADER, timeout);
  out.push(ID_HEADER_LOWER, hop.id);
  if (!hasOwnId) out.push(REQUEST_ID_HEADER, hop.id);
  if (hop.traceparent !== '') out.push(TRACE_HEADER, hop.traceparent);
  out.push('x-forwarded-for', forwardedFor + hop.remoteAddress);
  return out;
}

/** The list for the client: initial metadata, or trailers. The id is ours, and how often it was sent. */
export function metadataToClient(raw: readonly string[], id: string, attempts: number): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name !== ID_HEADER_LOWER && name !== ATTEMPTS_HEADER && !isLookalike(name))
      out.push(name, raw[i + 1]!);
  }
  out.push(ID_HEADER_LOWER, id, ATTEMPTS_HEADER, String(attempts));
  return out;
}

/** The first value of a name; `undefined` where there is none. */
export function metadataValue(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1];
  return undefined;
}

/** A raw list as an object, which trailers have to be; duplicates become lists. */
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
