// Routes of asynchronous requests: submit, status, cancel, queue status, stored result.
// Invariant: 201 is sent only after the queue has stored the task; each request closes exactly one exchange.
// Source of routes, statuses and bodies: docs/contracts/serving.md 1.2, 2.1 to 2.5, 2.8.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, type Failure } from '../../core/errors.ts';
import type { RateLimiter } from '../../core/rate-limiter.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { isPrivate } from '../../core/exchange/body-capture.ts';
import { DEBUG_HEADER, ID_HEADER, IDEMPOTENCY_HEADER } from '../../core/header-names.ts';
import { errorResponse, publicDetail, sendRefusal, sendError } from '../../protocol/http/error-response.ts';
import { sendJson } from '../../protocol/http/json-response.ts';
import type { Queue, QueueDepth, TaskStatus } from '../../async/queue/queue.ts';
import { lateBody, type ActiveRequest } from '../proxy/proxy.ts';
import type { AsyncRoute } from '../routing/route.ts';
import type { ClientAccess } from './client-access.ts';
import { BODY_LATE, readBody } from './submission-body.ts';
import type { Submissions } from './submissions.ts';

/** The queue as these routes use it. In a data thread it is in another thread. */
export interface AsyncQueue extends Pick<Queue, 'submit' | 'status' | 'cancel' | 'result'> {
  depth(deployment: string): QueueDepth | Promise<QueueDepth>;
}

/** Limits of the routes, for all threads together. */
export type AsyncRates = Readonly<Record<AsyncRoute['kind'] | 'cancel', RateLimiter>>;

export interface AsyncDeps {
  readonly queue: AsyncQueue;
  readonly modelId: string;
  readonly submissions: Submissions;
  readonly rates: AsyncRates;
  /** Returns the id of the deployment with this index. */
  readonly deploymentId: (index: number) => string;
  /** Returns the index of the deployment with this id, or NO_DEPLOYMENT. */
  readonly deploymentIndex: (id: string) => number;
  /** `undefined`: no key is required. */
  readonly access: ClientAccess | undefined;
}

/** One request to one of the routes. */
interface AsyncRouteRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly exchange: Exchange;
  /** Status of the response; 0 before it is sent. */
  status: number;
}

export class AsyncRoutes {
  readonly #deps: AsyncDeps;

  constructor(deps: AsyncDeps) {
    this.#deps = deps;
  }

  /** Serves a request to one of the routes. */
  serve(route: AsyncRoute, req: IncomingMessage, res: ServerResponse, exchange: Exchange): ActiveRequest {
    const request: AsyncRouteRequest = { req, res, exchange, status: 0 };
    // The end of the response closes the exchange. It does not affect a task that was accepted.
    res.once('close', () =>
      res.writableFinished ? exchange.close('ok', request.status) : exchange.fail('client_gone'),
    );
    void this.#serve(route, request);
    return { abort: (failure, detail) => this.#refuse(request, failure, detail) };
  }

  async #serve(route: AsyncRoute, request: AsyncRouteRequest): Promise<void> {
    const { req } = request;
    if (route.kind === 'async_predict') return this.#submit(request, route.deployment);
    const isCancel = route.kind === 'async_request' && req.method === 'DELETE';
    if (!this.#deps.rates[isCancel ? 'cancel' : route.kind].take())
      return this.#refuse(request, 'rate_limited');
    try {
      if (route.kind === 'async_request') await this.#serveTask(request, route.id, isCancel, route.isResult);
      else await this.#queueStatus(request, this.#deps.deploymentId(route.deployment));
    } catch (error) {
      this.#refuse(request, 'storage_failed', '', describe(error));
    }
  }

  async #serveTask(
    request: AsyncRouteRequest,
    id: string,
    isCancel: boolean,
    isResult: boolean,
  ): Promise<void> {
    if (!(await this.#mayUse(request, id))) return this.#refuse(request, 'unknown_request');
    if (isCancel) return this.#cancel(request, id);
    return isResult ? this.#result(request, id) : this.#status(request, id);
  }

  /** False for a task of a deployment that the client's key does not allow. */
  async #mayUse({ exchange }: AsyncRouteRequest, id: string): Promise<boolean> {
    const { access, queue, deploymentIndex } = this.#deps;
    if (access === undefined || !access.isTaskRestricted(exchange)) return true;
    const task = await queue.status(id);
    return task === undefined || access.allowsTask(exchange, deploymentIndex(task.deployment));
  }

  async #submit(request: AsyncRouteRequest, deployment: number): Promise<void> {
    const { req, exchange } = request;
    const { submissions } = this.#deps;
    // Node joins repeated headers to one value, which is a valid key as well.
    const idempotencyKey = req.headers[IDEMPOTENCY_HEADER] as string | undefined;
    const refusal = submissions.admit(idempotencyKey);
    if (refusal !== undefined) return this.#refuse(request, refusal.failure, refusal.detail);
    const body = await readBody(req, submissions);
    if (body === undefined || !exchange.isOpen) return;
    if (body === BODY_LATE)
      return this.#refuse(request, 'request_timeout', lateBody(submissions.bodyTimeoutMs));
    if (typeof body === 'number') return this.#tooLarge(request, body);
    exchange.requestBytes = body.length;
    const head = { deployment, idempotencyKey, isPrivate: isPrivate(req.headers[DEBUG_HEADER]) };
    const outcome = await submissions.store(exchange, head, body);
    if ('failure' in outcome) {
      const { failure, detail } = outcome;
      return this.#refuse(request, failure, publicDetail(failure, detail), detail);
    }
    // A repeated submit gets the id of the first one, in the header and in the body.
    this.#json(request, 201, { request_id: outcome.id }, outcome.id);
  }

  /** Returns a task, and records its deployment in the exchange. */
  async #find({ exchange }: AsyncRouteRequest, id: string): Promise<TaskStatus | undefined> {
    const task = await this.#deps.queue.status(id);
    if (task !== undefined) exchange.requestedDeployment = this.#deps.deploymentIndex(task.deployment);
    return task;
  }

  async #status(request: AsyncRouteRequest, id: string): Promise<void> {
    const task = await this.#find(request, id);
    if (task === undefined) return this.#refuse(request, 'unknown_request');
    this.#json(request, 200, statusBody(task, this.#deps.modelId));
  }

  async #cancel(request: AsyncRouteRequest, id: string): Promise<void> {
    const cancelled = await this.#deps.queue.cancel(id);
    if (cancelled === undefined) return this.#refuse(request, 'unknown_request');
    await this.#find(request, id);
    const { isCanceled, status } = cancelled;
    const message = isCanceled
      ? 'The request was canceled'
      : `Only a request that is QUEUED can be canceled; this one is ${status}`;
    this.#json(request, 200, { request_id: id, canceled: isCanceled, message });
  }

  async #queueStatus(request: AsyncRouteRequest, deployment: string): Promise<void> {
    const { queued, inProgress } = await this.#deps.queue.depth(deployment);
    this.#json(request, 200, {
      model_id: this.#deps.modelId,
      deployment_id: deployment,
      num_queued_requests: queued,
      num_in_progress_requests: inProgress,
    });
  }

  /** Sends the model's response if it is stored. This route is weir's own, not the contract's. */
  async #result(request: AsyncRouteRequest, id: string): Promise<void> {
    const task = await this.#find(request, id);
    const result = task && (await this.#deps.queue.result(id));
    if (task === undefined) return this.#refuse(request, 'unknown_request');
    if (result === undefined) {
      const { req, res, exchange } = request;
      const isEnded = task.status !== 'QUEUED' && task.status !== 'IN_PROGRESS';
      const text = isEnded
        ? `No result stored: this request is ${task.status}. Set async.keep_results to keep results, or use a webhook`
        : `No result yet: this request is ${task.status}. A result is kept if async.keep_results is set`;
      exchange.wrote(sendError(req, res, errorResponse('unknown_request', exchange.id, { text })));
      exchange.fail('unknown_request', text);
      return;
    }
    const { req, res, exchange } = request;
    const type = result.contentType === '' ? 'application/octet-stream' : result.contentType;
    res.writeHead(200, [
      'Content-Type',
      type,
      'Content-Length',
      String(result.body.length),
      ID_HEADER,
      exchange.id,
    ]);
    req.resume();
    request.status = 200;
    exchange.wrote(result.body.length);
    res.end(result.body);
  }

  /** The text is the contract's (1.4). */
  #tooLarge(request: AsyncRouteRequest, bytes: number): void {
    const { maxBody } = this.#deps.submissions;
    const text = `payload size of ${bytes} bytes exceeds maximum size of ${maxBody} bytes`;
    const { req, res, exchange } = request;
    exchange.wrote(sendError(req, res, errorResponse('too_large', exchange.id, { text })));
    exchange.fail('too_large', text);
  }

  #json(request: AsyncRouteRequest, status: number, body: unknown, id = request.exchange.id): void {
    const { req, res, exchange } = request;
    req.resume();
    request.status = status;
    exchange.wrote(sendJson(res, status, JSON.stringify(body), [ID_HEADER, id]));
  }

  #refuse({ req, res, exchange }: AsyncRouteRequest, failure: Failure, detail = '', logged = detail): void {
    if (!exchange.isOpen) return;
    if (!res.headersSent && !res.destroyed) sendRefusal(req, res, failure, exchange, { detail });
    exchange.fail(failure, logged);
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
