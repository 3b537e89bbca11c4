// What a data thread sends to the main thread.
// Invariant: messages are handled in the order in which they were sent.
import type { LifecycleEvent } from '../../core/events.ts';
import type { Call, CallResult } from '../../core/worker-rpc.ts';
import type { MissedPath } from '../../data-plane/server/data-server.ts';
import type { RequestReport } from '../thread-reports.ts';
import type { UnpricedCount } from '../../telemetry/llm/prices.ts';

export type FromDataThread =
  /** Of the queue: AsyncQueue. */
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  /** Of the thread's pool. */
  | { readonly kind: 'pool'; readonly message: unknown }
  /** Of ThreadOperations. */
  | { readonly kind: 'result'; readonly result: CallResult }
  /** A line of weir's own log, if there is no access log. */
  | { readonly kind: 'line'; readonly line: string }
  /** A lifecycle event, which the thread has logged. */
  | { readonly kind: 'event'; readonly event: LifecycleEvent }
  /** A client asks for a replica of the deployment. */
  | { readonly kind: 'wake'; readonly deployment: number }
  /** What requests have done since the last message. */
  | { readonly kind: 'requests'; readonly report: RequestReport }
  /** When keys were last used, since the last message: id and milliseconds since 1970. */
  | { readonly kind: 'keysUsed'; readonly uses: readonly (readonly [string, number])[] }
  | { readonly kind: 'missedPath'; readonly missed: MissedPath }
  /** Requests without a price since the last message. */
  | { readonly kind: 'unpriced'; readonly counts: readonly UnpricedCount[]; readonly requests: number };
