// How many deliveries each receiver of webhooks gets at once: one that is down, or slow, must leave room for the others.
// Must stay true: nobody has all places, and what is kept is bounded, whatever URLs clients think of.

/** Of all places: what a receiver may have, and what is left to one that did not take its last delivery. */
const SHARE = 3 / 4;
const SHARE_OF_FAILING = 1 / 8;
/** Receivers that are remembered as failing; beyond that the one is forgotten that has been longest. */
const MAX_FAILING = 1024;

/** Who receives: what all URLs of one receiver begin with. A URL of the queue is written as URLs are (submission.ts). */
export const receiverKey = (url: string): string => `${URL.parse(url)?.origin ?? url}/`;

export class ReceiverLimits {
  readonly #share: number;
  readonly #shareOfFailing: number;
  /** Deliveries under way. */
  readonly #running = new Map<string, number>();
  readonly #failing = new Set<string>();

  constructor(places: number) {
    this.#share = Math.max(1, Math.floor(places * SHARE));
    this.#shareOfFailing = Math.max(1, Math.floor(places * SHARE_OF_FAILING));
  }

  /** Those who get no more now. */
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
