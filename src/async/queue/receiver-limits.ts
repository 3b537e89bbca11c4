// Limits concurrent deliveries per receiver of webhooks, so that a slow receiver does not delay the others.
// Invariant: no receiver uses all delivery slots if there is more than one, and memory is bounded for any set of URLs.

/** Share of all slots that a receiver may use, and that a receiver may use whose last delivery failed. */
const SHARE = 3 / 4;
const SHARE_OF_FAILING = 1 / 8;
/** Receivers remembered as failing. Beyond that the oldest is forgotten. */
const MAX_FAILING = 1024;

/** Prefix of all URLs of a receiver: its origin and a slash. URLs in the queue are normalized (submission.ts). */
export const receiverKey = (url: string): string => `${URL.parse(url)?.origin ?? url}/`;

export class ReceiverLimits {
  readonly #share: number;
  readonly #shareOfFailing: number;
  /** Running deliveries per receiver. */
  readonly #running = new Map<string, number>();
  readonly #failing = new Set<string>();

  constructor(slots: number) {
    this.#share = Math.max(1, Math.floor(slots * SHARE));
    this.#shareOfFailing = Math.max(1, Math.floor(slots * SHARE_OF_FAILING));
  }

  /** Receivers that are at their limit. */
  get busy(): string[] {
    const busy: string[] = [];
    for (const [receiver, n] of this.#running)
      if (n >= (this.#failing.has(receiver) ? this.#shareOfFailing : this.#share)) busy.push(receiver);
    return busy;
  }

  began(receiver: string): void {
    this.#running.set(receiver, (this.#running.get(receiver) ?? 0) + 1);
  }

  ended(receiver: string, isDelivered: boolean): void {
    const left = this.#running.get(receiver)! - 1;
    if (left === 0) this.#running.delete(receiver);
    else this.#running.set(receiver, left);
    this.#failing.delete(receiver);
    if (isDelivered) return;
    this.#failing.add(receiver);
    if (this.#failing.size > MAX_FAILING) this.#failing.delete(this.#failing.values().next().value!);
  }
}
