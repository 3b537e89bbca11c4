// Who does the queue's errands: its tasks go out through the proxy, its results through the webhooks.
// Must stay true: nothing is decided here; what the one says is put into the other's words.
import { steadyNow } from './base/clock.ts';
import type { Errand } from './proxy/proxy.ts';
import type { ClaimedDelivery, Delivered, Seat } from './queue/queue.ts';
import { buildBody, type Webhooks } from './webhook/webhook.ts';

/** A place at a replica, as the queue's worker takes it. */
export function seatAt(
  errand: Errand | undefined,
  { run_timeout, max_result }: { readonly run_timeout: number; readonly max_result: number },
): Seat | undefined {
  if (errand === undefined) return undefined;
  return {
    send: ({ id, input, attempts, createdMs, traceparent, isPrivate }, wantsBody) =>
      errand.send({
        id,
        body: input,
        queuedSinceMs: attempts === 1 ? createdMs : 0,
        traceparent,
        isPrivate,
        timeoutMs: run_timeout,
        maxAnswerBytes: wantsBody ? max_result : 0,
      }),
    leave: () => errand.leave(),
  };
}

/** Makes one attempt to deliver a result. */
export async function deliver(
  webhooks: Webhooks,
  modelId: string,
  { id, deployment, url, result, errors }: ClaimedDelivery,
  figures: { delivered(deployment: string, seconds: number): void },
): Promise<Delivered> {
  const body = buildBody({
    requestId: id,
    modelId,
    deploymentId: deployment,
    timeMs: steadyNow(),
    answer: result && Buffer.from(result.body),
    contentType: result?.contentType ?? '',
    errors,
  });
  const { ok, isRetryable, error, durationMs } = await webhooks.deliver({ url, requestId: id, body });
  figures.delivered(deployment, durationMs / 1000);
  return { isTaken: ok, isRetryable, problem: error };
}
