// Checks submissions of asynchronous requests and stores them in the queue, for both lanes. Hot path.
// Invariant: an outcome with an id is given only after the queue has stored the task.
// Source of statuses: docs/contracts/serving.md 2.1 and 2.8.
import { createHash } from 'node:crypto';
import { describe } from '../../core/errors.ts';
import type { RateLimiter } from '../../core/rate-limiter.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { readSubmission, type Queue } from '../../async/queue/queue.ts';
import type {
  SubmissionHead,
  SubmissionOutcome,
  SubmissionRefusal,
  SubmissionTarget,
} from '../proxy/proxy.ts';

export interface SubmissionDeps {
  readonly queue: Pick<Queue, 'submit'>;
  readonly maxBody: number;
  /** Of submissions, for all threads together. */
  readonly rates: { readonly async_predict: RateLimiter };
  /** Returns the id of the deployment with this index. */
  readonly deploymentId: (index: number) => string;
  /** Returns the scope in which an Idempotency-Key is unique: the environment, whose deployments share the traffic. */
  readonly keyScope: (deployment: string) => string;
  /** Says what is wrong with a webhook's URL; empty if it is valid. */
  readonly checkWebhook: (url: string) => string;
}

/** Maximum length of an Idempotency-Key, in characters. */
const MAX_KEY = 255;
const RATE_LIMITED: SubmissionRefusal = { failure: 'rate_limited', detail: '' };

export class Submissions implements SubmissionTarget {
  readonly maxBody: number;
  readonly bodyTimeoutMs: number;
  readonly #deps: SubmissionDeps;

  /** `bodyTimeoutMs`: time limit for a body. */
  constructor(deps: SubmissionDeps, bodyTimeoutMs: number) {
    this.#deps = deps;
    this.maxBody = deps.maxBody;
    this.bodyTimeoutMs = bodyTimeoutMs;
  }

  admit(idempotencyKey: string | undefined): SubmissionRefusal | undefined {
    if (!this.#deps.rates.async_predict.take()) return RATE_LIMITED;
    if (idempotencyKey === undefined) return undefined;
    const { length } = idempotencyKey;
    if (length > 0 && length <= MAX_KEY) return undefined;
    const detail = `Idempotency-Key has ${length} characters, must have 1 to ${MAX_KEY}`;
    return { failure: 'bad_request', detail };
  }

  async store(
    exchange: Exchange,
    { deployment, idempotencyKey, isPrivate }: SubmissionHead,
    body: Buffer,
  ): Promise<SubmissionOutcome> {
    const { queue, deploymentId, keyScope, checkWebhook } = this.#deps;
    try {
      const read = readSubmission(body, checkWebhook);
      if (!read.ok) return { failure: 'bad_request', detail: read.problems.join('; ') };
      const id = deploymentId(deployment);
      const hasKey = idempotencyKey !== undefined;
      const scoped = hasKey ? `${keyScope(id)}\n${idempotencyKey}` : '';
      const digest = hasKey ? createHash('sha256').update(body).digest('base64') : '';
      const origin = { traceparent: exchange.ownTraceparent, isPrivate, client: exchange.key };
      const submitted = await queue.submit(exchange.id, id, read.submission, scoped, digest, origin);
      return 'failure' in submitted ? { failure: submitted.failure, detail: '' } : submitted;
    } catch (error) {
      return { failure: 'storage_failed', detail: describe(error) };
    }
  }
}
