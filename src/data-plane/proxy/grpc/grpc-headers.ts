// Writes the header sections of forwarded gRPC calls: what passes, and what weir adds. Hot path.
// Invariant: all other metadata keeps its names, values, duplicates and order, binary values too.
import type { SubjectHeader } from '../../../core/client-subject.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import {
  ATTEMPTS_HEADER_LOWER,
  FORWARDED_FOR_HEADER_LOWER,
  ID_HEADER_LOWER,
  isLookalike,
  REQUEST_ID_HEADER_LOWER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from '../../../core/header-names.ts';
import { TIMEOUT_HEADER, type RemovedMetadata } from '../../../protocol/grpc/metadata.ts';
import type { FieldFilter } from '../../../protocol/http2/hpack/encoder.ts';
import type { Field } from '../../../protocol/http2/hpack/field.ts';
import type { HeaderBlock } from '../../../protocol/http2/hpack/header-block.ts';
import { intern } from '../../../protocol/http2/hpack/interned-fields.ts';
import type { HeaderWriter } from '../../../protocol/http2/header-writer.ts';

const POST = intern(':method', 'POST');
/** Fields for the first numbers of attempts. */
const ATTEMPTS = Array.from({ length: 17 }, (_, n) => intern(ATTEMPTS_HEADER_LOWER, String(n)));

/** For a client that names no host, since many servers reset a call without :authority. */
const NO_AUTHORITY = 'localhost';

/** Headers that weir sets for the replica. The client's are dropped. */
const SET_FOR_REPLICA = new Set([
  ID_HEADER_LOWER,
  TRACE_HEADER,
  TIMEOUT_HEADER,
  FORWARDED_FOR_HEADER_LOWER,
  'host',
]);

/** What of the metadata of a request a replica does not get. */
class RequestFilter implements FieldFilter {
  readonly #isClientTrace: boolean;
  readonly #hasPseudo: boolean;
  readonly #subject: SubjectHeader | undefined;
  readonly #removed: RemovedMetadata | undefined;

  /** `hasPseudo`: the pseudo-headers pass, else weir writes them. */
  constructor(
    isClientTrace: boolean,
    hasPseudo: boolean,
    subject: SubjectHeader | undefined,
    removed: RemovedMetadata | undefined,
  ) {
    this.#isClientTrace = isClientTrace;
    this.#hasPseudo = hasPseudo;
    this.#subject = subject;
    this.#removed = removed;
  }

  drops({ name }: Field): boolean {
    if (name.startsWith(':')) return !this.#hasPseudo;
    return (
      SET_FOR_REPLICA.has(name) ||
      isLookalike(name) ||
      this.#subject?.isNamed(name) === true ||
      this.#removed?.has(name) === true ||
      (!this.#isClientTrace && name === TRACESTATE_HEADER)
    );
  }
}

/** Writes requests to replicas. One for all calls, since what a filter drops of a block is remembered with the filter. */
export class RequestHeaders {
  readonly #subject: SubjectHeader | undefined;
  readonly #filters: readonly RequestFilter[];

  /** `subject`: header with the subject of the client's certificate; `undefined`: replicas get none. */
  constructor(subject: SubjectHeader | undefined, removed: RemovedMetadata | undefined) {
    this.#subject = subject;
    this.#filters = [0, 1, 2, 3].map(
      (bits) => new RequestFilter((bits & 1) !== 0, (bits & 2) !== 0, subject, removed),
    );
  }

  /**
   * Writes the head of a request whose trace has begun (`Exchange.trace`). `timeout` replaces the client's grpc-timeout;
   * empty if there is none.
   */
  write(
    writer: HeaderWriter,
    block: HeaderBlock,
    exchange: Exchange,
    scheme: 'http' | 'https',
    timeout: string,
  ): void {
    const isSame = block.scheme === scheme && block.authority !== '';
    if (!isSame) {
      writer.field(POST).field(intern(':scheme', scheme)).field(intern(':path', block.path));
      writer.field(intern(':authority', block.authority || block.value('host') || NO_AUTHORITY));
    }
    writer.forward(block, this.#filters[(exchange.isClientTrace ? 1 : 0) | (isSame ? 2 : 0)]!);
    if (timeout !== '') writer.add(TIMEOUT_HEADER, timeout);
    writer.add(ID_HEADER_LOWER, exchange.id);
    if (block.value(REQUEST_ID_HEADER_LOWER) === undefined) writer.add(REQUEST_ID_HEADER_LOWER, exchange.id);
    if (exchange.traceparent !== '') writer.add(TRACE_HEADER, exchange.traceparent);
    if (this.#subject !== undefined && exchange.clientSubject !== '')
      writer.field(intern(this.#subject.lower, this.#subject.valueOf(exchange.clientSubject)));
    writer.field(intern(FORWARDED_FOR_HEADER_LOWER, forwardedFor(block) + exchange.remoteAddress));
  }
}

/** The client's x-forwarded-for headers, each followed by a comma. */
function forwardedFor(block: HeaderBlock): string {
  if (block.value(FORWARDED_FOR_HEADER_LOWER) === undefined) return '';
  let list = '';
  for (const { name, value } of block.fields) if (name === FORWARDED_FOR_HEADER_LOWER) list += `${value}, `;
  return list;
}

/**
 * What of the metadata of a response a client does not get. A response that fails midway is not as long as its
 * content-length, and a client that has got it would take weir's status for a broken rule of HTTP/2 (RFC 9113 8.1.1).
 */
const responseFilter: FieldFilter = {
  drops: ({ name }) =>
    name === ID_HEADER_LOWER ||
    name === ATTEMPTS_HEADER_LOWER ||
    name === 'content-length' ||
    isLookalike(name),
};

/** Writes initial metadata or trailers to a client, with the request id and the number of attempts. */
export function writeResponse(writer: HeaderWriter, block: HeaderBlock, exchange: Exchange): void {
  const { id, attempts } = exchange;
  writer.forward(block, responseFilter).add(ID_HEADER_LOWER, id);
  const known = ATTEMPTS[attempts];
  if (known === undefined) writer.add(ATTEMPTS_HEADER_LOWER, String(attempts));
  else writer.field(known);
}

/** Bytes that weir adds to a response, at most: two fields (RFC 9113 6.5.2). */
export const ADDED_TO_RESPONSE = 256;
