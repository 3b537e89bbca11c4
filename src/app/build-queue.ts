// Connects the queue to the modules that run its tasks and deliver its results.
import { steadyNow } from '../core/clock.ts';
import type { QueuedForwarder } from '../data-plane/proxy/proxy.ts';
import { Queue, type ClaimedDelivery, type DeliveryResult, type QueuedSlot } from '../async/queue/queue.ts';
import { webhookPayload, Webhooks } from '../async/webhook/webhook.ts';
import type { Modules } from './modules.ts';

/** Attempts to deliver one result, and the pause between them in milliseconds, as the serving API defines them. */
const DELIVERY = { attempts: 2, retryDelayMs: 2000 };

export const buildWebhooks = (modules: Modules): Webhooks =>
  new Webhooks(modules.config.webhook, {
    listenHost: modules.config.ingress.listen.host,
    ownPorts: () => [modules.dataServer.address.port, modules.admin.address.port],
  });

export function buildQueue(modules: Modules): Queue {
  const { config, log, pool, proxy, counters } = modules;
  const outbox = { ...DELIVERY, concurrency: config.webhook.concurrency };
  return new Queue(config.async, outbox, {
    log,
    folder: config.data.dir,
    deployments: () => pool.current.map(({ options }) => options.id),
    acquireSlot: (deployment) => queuedSlot(proxy.reserveSlot(pool.indexOf(deployment)), config.async),
    started: (deployment, seconds) => counters.async.started(deployment, seconds),
    ended: (deployment, outcome) => counters.async.ended(deployment, outcome),
    deliver: (delivery) => deliver(modules, delivery),
  });
}

/** A queued forwarder in the form that the queue's worker uses. */
function queuedSlot(
  forwarder: QueuedForwarder | undefined,
  { run_timeout, max_result }: { readonly run_timeout: number; readonly max_result: number },
): QueuedSlot | undefined {
  if (forwarder === undefined) return undefined;
  return {
    send: ({ id, input, attempts, createdMs, traceparent, isPrivate, client }, wantsBody) =>
      forwarder.run({
        id,
        body: input,
        queuedSinceMs: attempts === 1 ? createdMs : 0,
        traceparent,
        isPrivate,
        client,
        timeoutMs: run_timeout,
        maxResponseBytes: wantsBody ? max_result : 0,
      }),
    release: () => forwarder.release(),
  };
}

/** Makes one attempt to deliver a result, and counts and records it. */
async function deliver(modules: Modules, delivery: ClaimedDelivery): Promise<DeliveryResult> {
  const { id, deployment, url, result, errors } = delivery;
  const body = webhookPayload({
    requestId: id,
    modelId: modules.config.model.id,
    deploymentId: deployment,
    timeMs: steadyNow(),
    response: result && Buffer.from(result.body),
    contentType: result?.contentType ?? '',
    errors,
  });
  const made = await modules.webhooks.deliver({ url, requestId: id, body });
  modules.counters.async.delivered(deployment, made.durationMs / 1000);
  modules.logPipeline.recordDelivery(delivery, made, modules.environmentOf(deployment));
  return { isDelivered: made.ok, isRetryable: made.isRetryable, problem: made.error };
}
