// Writes the head of a request for the replica, from the head that the client sent. Hot path.
// Invariant: weir alone writes the lines with the client's address and the request id; the client's others pass
// unchanged.
import type { SubjectHeader } from '../../../core/client-subject.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import {
  FORWARDED_FOR_HEADER,
  FORWARDED_HOST_HEADER,
  FORWARDED_PROTO_HEADER,
  ID_HEADER_LOWER,
  REQUEST_ID_HEADER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from '../../../core/header-names.ts';
import { readNotes } from '../../../core/exchange/request-notes.ts';
import { NO_BODY } from '../../../protocol/http/body-framing.ts';
import { withoutLines } from '../../../protocol/http/field-line.ts';
import type { RemovedHeaders } from '../../../protocol/http/removed-headers.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import { forwardedElement } from '../../../protocol/http/forwarded-headers.ts';
import type { Peer } from '../../../protocol/http/peer.ts';
import { valuesOf } from './fast-capture.ts';
import type { FastContext } from './fast-context.ts';

const TRACESTATE_NAME = new Set([TRACESTATE_HEADER]);

// Texts around values. Fewer parts make a head cheaper to join and to write.
const ID_BEGIN = `${ID_HEADER_LOWER}: `;
const REQUEST_ID_BEGIN = `\r\n${REQUEST_ID_HEADER}: `;
const TRACE_BEGIN = `\r\n${TRACE_HEADER}: `;
const EMPTY_BODY = 'Content-Length: 0\r\n\r\n';

/** The same text in one piece. */
const flat = (text: string): string => Buffer.from(text, 'latin1').latin1Slice();

/** Begins the trace of an exchange, with what its client says about it. Returns the `traceparent` for the replica. */
export function beginTrace(exchange: Exchange, { hasNotes, kept, traceparent }: RequestHead): string {
  if (hasNotes) exchange.notes = readNotes((name) => valuesOf(kept, name));
  return exchange.trace(traceparent === '' ? undefined : traceparent);
}

/** What the heads of all connections have in common. */
type HeadSettings = Pick<FastContext, 'proto' | 'subjectHeader' | 'removed'>;

/** Writes the heads of all requests of one client connection. */
export class HeadWriter {
  readonly #client: Peer;
  readonly #proto: 'http' | 'https';
  readonly #removed: RemovedHeaders | undefined;
  /** `X-Forwarded-*` and `Forwarded` lines for the Host of the last request, which rarely changes. */
  #host = '';
  #forwarded = '';

  readonly #subjectHeader: SubjectHeader | undefined;
  /** The line with the client's subject, with the end of the line before it; empty without one. */
  readonly #subject: string;

  constructor(client: Peer, { proto, subjectHeader, removed }: HeadSettings) {
    this.#client = client;
    this.#proto = proto;
    this.#removed = removed;
    this.#subjectHeader = subjectHeader;
    this.#subject =
      subjectHeader === undefined || client.subject === ''
        ? ''
        : `\r\n${subjectHeader.name}: ${subjectHeader.valueOf(client.subject)}`;
  }

  /** Sets what an exchange says about its request and its client. */
  name(exchange: Exchange, head: RequestHead): void {
    exchange.method = head.method;
    exchange.target = head.target;
    exchange.remoteAddress = this.#client.address;
    exchange.clientSubject = this.#client.subject;
    exchange.isHttp2 = this.#client.isHttp2;
  }

  /** The whole head, with the empty line at its end. `path`: what the replica sees. */
  write(head: RequestHead, path: string, exchange: Exchange): string {
    const traceparent = beginTrace(exchange, head);
    this.#keepLines(head, exchange);
    const { id } = exchange;
    return (
      `${head.method} ${path} HTTP/1.1\r\n` +
      head.kept +
      ID_BEGIN +
      id +
      // vLLM and other servers read this name. A client's own value is kept, since the client identifies its request by
      // it.
      (head.hasRequestId ? '' : REQUEST_ID_BEGIN + id) +
      (traceparent === '' ? '' : TRACE_BEGIN + traceparent) +
      this.#subject +
      this.#forwardedFor(head) +
      // RFC 9110 8.6: methods that usually have a body get Content-Length: 0 without one.
      (head.framing === NO_BODY && /^P(?:OST|UT|ATCH)$/.test(head.method) ? EMPTY_BODY : '\r\n')
    );
  }

  /** Removes lines of the client that only weir may write, and those that settings name. */
  #keepLines(head: RequestHead, { isClientTrace }: Exchange): void {
    const { lines } = head;
    if (head.hasTracestate && !isClientTrace) lines.text = withoutLines(lines.text, TRACESTATE_NAME);
    if (this.#removed !== undefined) lines.text = this.#removed.from(lines.text);
    if (this.#subjectHeader !== undefined) lines.text = this.#subjectHeader.withoutLines(lines.text);
  }

  /** Lines, with the line end before them. */
  #forwardedFor(head: RequestHead): string {
    if (head.forwardedFor !== '' || head.forwarded !== '' || head.hasForwardedProto || head.hasForwardedHost)
      return this.#lines(head);
    if (head.host !== this.#host) {
      this.#host = head.host;
      this.#forwarded = flat(this.#lines(head));
    }
    return this.#forwarded;
  }

  /** Values of the client stay in front of weir's own. */
  #lines({ host, forwardedFor, forwarded, hasForwardedProto, hasForwardedHost }: RequestHead): string {
    const remoteAddress = this.#client.address;
    const proto = this.#proto;
    return (
      `\r\n${FORWARDED_FOR_HEADER}: ${forwardedFor}${remoteAddress}\r\n` +
      (hasForwardedProto ? '' : `${FORWARDED_PROTO_HEADER}: ${proto}\r\n`) +
      (hasForwardedHost ? '' : `${FORWARDED_HOST_HEADER}: ${host}\r\n`) +
      `Forwarded: ${forwarded}${forwardedElement({ remoteAddress, host, proto })}\r\n`
    );
  }
}
