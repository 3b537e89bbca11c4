// Who does the queue's errands: its tasks go out through the proxy, its results through the webhooks.
// Must stay true: nothing is decided here; what the one says is put into the other's words.
import { steadyNow } from '../core/clock.ts';
import type { QueuedForwarder } from '../data-plane/proxy/proxy.ts';
import type { ClaimedDelivery, DeliveryResult, QueuedSlot } from '../async/queue/queue.ts';
import { webhookPayload, type WebhookDelivery, type Webhooks } from '../async/webhook/webhook.ts';

/** A place at a replica, as the queue's worker takes it. */
export function queuedSlotAt(
  errand: QueuedForwarder | undefined,
  { run_timeout, max_result }: { readonly run_timeout: number; readonly max_result: number },
): QueuedSlot | undefined {
  if (errand === undefined) return undefined;
  return {
    send: ({ id, input, attempts, createdMs, traceparent, isPrivate }, wantsBody) =>
      errand.run({
        id,
        body: input,
        queuedSinceMs: attempts === 1 ? createdMs : 0,
        traceparent,
        isPrivate,
        timeoutMs: run_timeout,
        maxResponseBytes: wantsBody ? max_result : 0,
      }),
    leave: () => errand.release(),
  };
}

/** Makes one attempt to deliver a result; `ended` is told what came of it. */
export async function deliverWebhook(
  webhooks: Webhooks,
  modelId: string,
  delivery: ClaimedDelivery,
  ended: (delivery: ClaimedDelivery, made: WebhookDelivery) => void,
): Promise<DeliveryResult> {
  const { id, deployment, url, result, errors } = delivery;
  const body = webhookPayload({
    requestId: id,
    modelId,
    deploymentId: deployment,
    timeMs: steadyNow(),
    answer: result && Buffer.from(result.body),
    contentType: result?.contentType ?? '',
    errors,
  });
  const made = await webhooks.deliver({ url, requestId: id, body });
  ended(delivery, made);
  return { isTaken: made.ok, isRetryable: made.isRetryable, problem: made.error };
}
