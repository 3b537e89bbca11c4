// A submission in the fast lane: a request that weir puts into its queue of asynchronous requests. Hot path.
// Invariant: a submission is answered once, after the queue has stored or refused it. If its client has left by then,
// nothing is written, and a stored task stays.
import { isPrivate } from '../../../core/exchange/body-capture.ts';
import type { Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { DEBUG_HEADER, ID_HEADER, IDEMPOTENCY_HEADER } from '../../../core/header-names.ts';
import type { PayloadSink } from '../../../protocol/http/body-framing.ts';
import { SHORT_BODY_BYTES } from '../../../protocol/http/error-response.ts';
import { dateLine } from '../../../protocol/http/date-line.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import type { Attempt } from '../attempt.ts';
import { valuesOf } from './fast-capture.ts';
import type { FastRequest } from './fast-request.ts';
import type { FastResponse, ResponseOwner } from './fast-response.ts';
import { beginTrace } from './request-head.ts';

/** Where a submission goes. `picker` counts it. */
export interface SubmissionDecision {
  readonly kind: 'async_predict';
  readonly deployment: number;
  readonly picker: { take(deployment: number): void };
}

/** Why a submission is not stored. */
export interface SubmissionRefusal {
  readonly failure: Failure;
  /** What is wrong: for the client if it caused the failure, else for the log. */
  readonly detail: string;
}

/** The outcome of a submission. `id`: of its task, or of the task that an earlier one with the same key has. */
export type SubmissionOutcome = { readonly id: string } | SubmissionRefusal;

/** What a submission says besides its body. */
export interface SubmissionHead {
  readonly deployment: number;
  readonly idempotencyKey: string | undefined;
  /** The log store must not keep its bodies. */
  readonly isPrivate: boolean;
}

/** What checks and stores submissions. */
export interface SubmissionTarget {
  /** Largest body, in bytes. */
  readonly maxBody: number;
  /** Time limit for a body, in milliseconds. */
  readonly bodyTimeoutMs: number;
  /** Why a submission is refused before its body is read; `undefined` if it is not. It counts for the rate of submits. */
  admit(idempotencyKey: string | undefined): SubmissionRefusal | undefined;
  /** Checks and stores a submission. `body` is only borrowed, until `store` returns. Never rejects. */
  store(exchange: Exchange, head: SubmissionHead, body: Buffer): Promise<SubmissionOutcome>;
}

const CREATED = 'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: ';

/** Why a submission is refused whose body is late. */
export const lateBody = (bodyTimeoutMs: number): string =>
  `the body did not arrive within ${bodyTimeoutMs} ms`;

/** Used again for each submission on a client connection. */
export class FastSubmission implements PayloadSink {
  readonly #target: SubmissionTarget;
  /** Header lines of every response. */
  readonly #lines: string;
  readonly #attempt: Attempt;
  readonly #request: FastRequest;
  readonly #response: FastResponse;
  readonly #owner: ResponseOwner;
  /** The open exchange; `undefined` while no submission is served. */
  #exchange: Exchange | undefined;
  #head: SubmissionHead | undefined;
  #isShort = false;
  /** The body, while it comes. */
  #pieces: Buffer[] = [];

  constructor(
    { submissions, responseLines }: { submissions: SubmissionTarget; responseLines: string },
    attempt: Attempt,
    request: FastRequest,
    response: FastResponse,
    owner: ResponseOwner,
  ) {
    this.#target = submissions;
    this.#lines = responseLines;
    this.#attempt = attempt;
    this.#request = request;
    this.#response = response;
    this.#owner = owner;
  }

  /** A submission is served. */
  get isOpen(): boolean {
    return this.#exchange !== undefined;
  }

  /** A submission is served whose body is short, so that the connection can stay open before all of it has come. */
  get isShort(): boolean {
    return this.isOpen && this.#isShort;
  }

  /** Begins with a submission, of whose body bytes[head.end, end) came with its head. */
  begin(
    exchange: Exchange,
    head: RequestHead,
    { deployment, picker }: SubmissionDecision,
    bytes: Buffer,
    end: number,
  ): void {
    this.#exchange = exchange;
    this.#isShort = head.length <= SHORT_BODY_BYTES;
    this.#response.begin(false);
    this.#attempt.startHere(exchange);
    beginTrace(exchange, head);
    exchange.requestedDeployment = deployment;
    picker.take(deployment);
    const { kept } = head;
    const idempotencyKey = valuesOf(kept, IDEMPOTENCY_HEADER);
    const refusal = this.#target.admit(idempotencyKey);
    if (refusal !== undefined) {
      exchange.requestBytes = 0;
      return this.#owner.fail(refusal.failure, refusal.detail);
    }
    this.#head = { deployment, idempotencyKey, isPrivate: isPrivate(valuesOf(kept, DEBUG_HEADER)) };
    if (this.#request.isWhole) this.#store(bytes.subarray(head.end, end));
    else this.#request.collect(this, bytes, head.end, end);
  }

  /** More of the body. */
  push(bytes: Buffer, from: number, to: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
  }

  /** More of the body has come, and perhaps its end. */
  onBody(): void {
    if (this.#request.isWhole) this.#store(Buffer.concat(this.#pieces));
  }

  /** Refuses the submission if its body is late. */
  expire(nowMs: number): void {
    const { bodyTimeoutMs } = this.#target;
    if (this.#request.isWhole || nowMs - this.#exchange!.startMs <= bodyTimeoutMs) return;
    this.#owner.fail('request_timeout', lateBody(bodyTimeoutMs));
  }

  /** The exchange is closed. */
  forget(): void {
    this.#exchange = this.#head = undefined;
    this.#pieces = [];
  }

  #store(body: Buffer): void {
    const exchange = this.#exchange!;
    const stored = this.#target.store(exchange, this.#head!, body);
    this.#pieces = [];
    void stored.then((outcome) => {
      // The client may have left, and another one cannot have its place.
      if (this.#exchange === exchange) this.#answer(exchange, outcome);
    });
  }

  #answer(exchange: Exchange, outcome: SubmissionOutcome): void {
    if ('failure' in outcome) return this.#owner.fail(outcome.failure, outcome.detail);
    const { id } = outcome;
    const body = `{"request_id":${JSON.stringify(id)}}`;
    exchange.wrote(body.length);
    this.#response.answer(
      201,
      `${CREATED}${body.length}\r\n${ID_HEADER}: ${id}\r\n${this.#lines}${dateLine()}`,
      body,
    );
  }
}
