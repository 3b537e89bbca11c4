// The routes of asynchronous requests: submit, ask, cancel, the queue's depth, a kept result.
// Must stay true: 201 leaves only after the queue has the task for good; one exchange is closed for each request.
// Source of routes, statuses and bodies: contracts/baseten.md 1.2, 2.1 to 2.5, 2.8.
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { catalogue, describe, type Failure } from '../../core/errors.ts';
import { RateLimiter } from '../../core/rate-limiter.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { ID_HEADER } from '../../core/exchange/identity.ts';
import { DEBUG_HEADER, isPrivate } from '../../core/exchange/body-capture.ts';
import { errorMessage, sendRefusal, sendError } from '../../protocol/http/reply.ts';
import { readSubmission, type Queue, type TaskStatus } from '../../async/queue/queue.ts';
import type { ActiveRequest } from '../proxy/proxy.ts';
import type { AsyncRoute } from '../routing/route.ts';

/** What the routes need to know. */
export interface AsyncDeps {
  readonly queue: Queue;
  readonly modelId: string;
  readonly maxBody: number;
  readonly submitRate: number;
  readonly statusRate: number;
  /** Id of the deployment with this index. */
  readonly deploymentId: (index: number) => string;
  /** Index of the deployment with this id, or NO_DEPLOYMENT. */
  readonly deploymentIndex: (id: string) => number;
  /** Within what an Idempotency-Key of a deployment's is unique: its environment, whose deployments share the traffic. */
  readonly keyScope: (deployment: string) => string;
  /** What is wrong with a webhook's URL, in words; empty when nothing is. */
  readonly checkWebhook: (url: string) => string;
}

/** One request to one of the routes. */
interface Asked {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly exchange: Exchange;
  /** What it was answered with; 0 before that. */
  status: number;
}

/** A key is the client's own; this is far more than any needs. */
const MAX_KEY = 255;

export class AsyncRoutes {
  readonly #deps: AsyncDeps;
  readonly #rates: Readonly<Record<AsyncRoute['kind'] | 'cancel', RateLimiter>>;

  constructor(deps: AsyncDeps) {
    this.#deps = deps;
    const { submitRate, statusRate } = deps;
    this.#rates = {
      async_predict: new RateLimiter(submitRate),
      async_request: new RateLimiter(statusRate),
      cancel: new RateLimiter(statusRate),
      async_queue_status: new RateLimiter(statusRate),
    };
  }

  /** Answers a request that is routed here. */
  answer(route: AsyncRoute, req: IncomingMessage, res: ServerResponse, exchange: Exchange): ActiveRequest {
    const asked: Asked = { req, res, exchange, status: 0 };
    // However it ends, and whatever still waits for it then: for a task that was accepted it makes no difference.
    res.once('close', () =>
      exchange.close(
        res.writableFinished ? 'ok' : 'client_gone',
        res.writableFinished ? asked.status : catalogue.client_gone.http,
      ),
    );
    void this.#answer(route, asked);
    return { abort: (failure, detail) => this.#refuse(asked, failure, detail) };
  }

  async #answer(route: AsyncRoute, asked: Asked): Promise<void> {
    const { req } = asked;
    const isCancel = route.kind === 'async_request' && req.method === 'DELETE';
    if (!this.#rates[isCancel ? 'cancel' : route.kind].take()) return this.#refuse(asked, 'rate_limited');
    try {
      if (route.kind === 'async_request') await this.#onTask(asked, route.id, isCancel, route.isResult);
      else if (route.kind === 'async_predict')
        await this.#submit(asked, this.#deps.deploymentId(route.deployment));
      else this.#queueStatus(asked, this.#deps.deploymentId(route.deployment));
    } catch (error) {
      this.#refuse(asked, 'storage_failed', '', describe(error));
    }
  }

  #onTask(asked: Asked, id: string, isCancel: boolean, isResult: boolean): Promise<void> {
    if (isCancel) return this.#cancel(asked, id);
    return isResult ? this.#result(asked, id) : this.#status(asked, id);
  }

  async #submit(asked: Asked, deployment: string): Promise<void> {
    const { req, exchange } = asked;
    // Node joins a header that comes twice: such a key is as good as any.
    const key = req.headers['idempotency-key'] as string | undefined;
    if (key !== undefined && (key.length === 0 || key.length > MAX_KEY))
      return this.#refuse(asked, 'bad_request', `Idempotency-Key must have 1 to ${MAX_KEY} characters`);
    const body = await readBody(req, this.#deps.maxBody);
    if (body === undefined || !exchange.isOpen) return;
    if (body === LATE) return this.#refuse(asked, 'request_timeout', `${BODY_MS} ms for the body`);
    if (typeof body === 'number') return this.#tooLarge(asked, body);
    exchange.requestBytes = body.length;
    const read = readSubmission(body, this.#deps.checkWebhook);
    if (!read.ok) return this.#refuse(asked, 'bad_request', read.problems.join('; '));
    const digest = key === undefined ? '' : createHash('sha256').update(body).digest('base64');
    const { queue } = this.#deps;
    const scoped = key === undefined ? '' : `${this.#deps.keyScope(deployment)}\n${key}`;
    const origin = { traceparent: exchange.asParent, isPrivate: isPrivate(req.headers[DEBUG_HEADER]) };
    const submitted = await queue.submit(exchange.id, deployment, read.submission, scoped, digest, origin);
    if ('failure' in submitted) return this.#refuse(asked, submitted.failure);
    // A repeated submit is answered with the first one's id, in the header as in the body.
    this.#json(asked, 201, { request_id: submitted.id }, submitted.id);
  }

  /** A task; from here on its deployment is that of the request which asks for it. */
  async #find({ exchange }: Asked, id: string): Promise<TaskStatus | undefined> {
    const task = await this.#deps.queue.status(id);
    if (task !== undefined) exchange.askedFor = this.#deps.deploymentIndex(task.deployment);
    return task;
  }

  async #status(asked: Asked, id: string): Promise<void> {
    const task = await this.#find(asked, id);
    if (task === undefined) return this.#refuse(asked, 'unknown_request');
    this.#json(asked, 200, statusBody(task, this.#deps.modelId));
  }

  async #cancel(asked: Asked, id: string): Promise<void> {
    const cancelled = await this.#deps.queue.cancel(id);
    if (cancelled === undefined) return this.#refuse(asked, 'unknown_request');
    await this.#find(asked, id);
    const { isCanceled, status } = cancelled;
    const message = isCanceled
      ? 'The request was canceled'
      : `Only a request that is QUEUED can be canceled; this one is ${status}`;
    this.#json(asked, 200, { request_id: id, canceled: isCanceled, message });
  }

  #queueStatus(asked: Asked, deployment: string): void {
    const { queued, inProgress } = this.#deps.queue.depth(deployment);
    this.#json(asked, 200, {
      model_id: this.#deps.modelId,
      deployment_id: deployment,
      num_queued_requests: queued,
      num_in_progress_requests: inProgress,
    });
  }

  /** weir's own: what the model answered, where that is kept. */
  async #result(asked: Asked, id: string): Promise<void> {
    const task = await this.#find(asked, id);
    const result = task && (await this.#deps.queue.result(id));
    if (task === undefined) return this.#refuse(asked, 'unknown_request');
    if (result === undefined) {
      const { req, res, exchange } = asked;
      const isEnded = task.status !== 'QUEUED' && task.status !== 'IN_PROGRESS';
      const text = isEnded
        ? `No result stored: this request is ${task.status}. Set async.keep_results to keep results, or use a webhook`
        : `No result yet: this request is ${task.status}. A result is kept if async.keep_results is set`;
      exchange.wrote(sendError(req, res, errorMessage('unknown_request', exchange.id, { text })));
      exchange.close('unknown_request', catalogue.unknown_request.http, text);
      return;
    }
    const { res, exchange } = asked;
    const type = result.contentType === '' ? 'application/octet-stream' : result.contentType;
    res.writeHead(200, [
      'Content-Type',
      type,
      'Content-Length',
      String(result.body.length),
      ID_HEADER,
      exchange.id,
    ]);
    this.#finish(asked, 200, result.body);
  }

  /** In the contract's words (1.4). */
  #tooLarge(asked: Asked, bytes: number): void {
    const text = `payload size of ${bytes} bytes exceeds maximum size of ${this.#deps.maxBody} bytes`;
    const { req, res, exchange } = asked;
    exchange.wrote(sendError(req, res, errorMessage('too_large', exchange.id, { text })));
    exchange.close('too_large', catalogue.too_large.http, text);
  }

  #json(asked: Asked, status: number, body: unknown, id = asked.exchange.id): void {
    const text = JSON.stringify(body);
    const length = String(Buffer.byteLength(text));
    asked.res.writeHead(status, [
      'Content-Type',
      'application/json',
      'Content-Length',
      length,
      ID_HEADER,
      id,
    ]);
    this.#finish(asked, status, text);
  }

  #finish(asked: Asked, status: number, body: string | Uint8Array): void {
    const { req, res, exchange } = asked;
    req.resume();
    exchange.wrote(Buffer.byteLength(body));
    asked.status = status;
    res.end(body);
  }

  #refuse({ req, res, exchange }: Asked, failure: Failure, detail = '', logged = detail): void {
    if (!exchange.isOpen) return;
    if (!res.headersSent && !res.destroyed) sendRefusal(req, res, failure, exchange, { detail });
    exchange.close(failure, catalogue[failure].http, logged);
  }
}

/** Contract 2.3. */
const statusBody = (task: TaskStatus, modelId: string) => ({
  request_id: task.id,
  model_id: modelId,
  deployment_id: task.deployment,
  status: task.status,
  webhook_status: task.webhookStatus,
  created_at: new Date(task.createdMs).toISOString(),
  status_at: new Date(task.statusMs).toISOString(),
  errors: task.errors,
});

/** The body did not come in time. */
const LATE = 'late';
/** How long the body of a submit may take: it is short. */
const BODY_MS = 30_000;

/** The whole body; its size where it is larger than `limit` bytes, as far as that is known; `undefined` where the client left. */
function readBody(req: IncomingMessage, limit: number): Promise<Buffer | number | typeof LATE | undefined> {
  const announced = Number(req.headers['content-length'] ?? 0);
  if (announced > limit) return Promise.resolve(announced);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (body: Buffer | number | typeof LATE | undefined) => {
      clearTimeout(timer);
      resolve(body);
    };
    const timer = setTimeout(() => done(LATE), BODY_MS).unref();
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) done(size);
      else chunks.push(chunk);
    });
    req.on('end', () => done(Buffer.concat(chunks)));
    req.on('error', () => done(undefined));
    req.on('close', () => done(undefined));
  });
}
