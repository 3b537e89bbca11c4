// How the traffic of one environment is divided between its deployments. Hot path.
// Must stay true: over any run of requests each deployment gets its share to within one request, as long as all of them
// have a ready replica; one that has none gets nothing while another one has.
// The method is smooth weighted round robin, as nginx has it: shares come evenly mixed, without a random number.

/** A deployment with its share. */
export interface Share {
  readonly deployment: number;
  readonly weight: number;
}

export class WeightedPicker {
  readonly #shares: readonly Share[];
  readonly #credits: number[];
  readonly #hasReady: (deployment: number) => boolean;

  /** `shares` must not be empty; `hasReady` says whether a deployment has a replica that takes requests. */
  constructor(shares: readonly Share[], hasReady: (deployment: number) => boolean) {
    this.#shares = shares;
    this.#credits = shares.map(() => 0);
    this.#hasReady = hasReady;
  }

  /** The deployment of the next request; it counts as sent there once that is told to `take`. */
  peek(): number {
    const shares = this.#shares;
    if (shares.length === 1) return shares[0]!.deployment;
    const isAnyReady = this.#isAnyReady();
    let chosen = shares[0]!;
    let most = -Infinity;
    for (let i = 0; i < shares.length; i++) {
      const share = shares[i]!;
      if (!this.#isServed(share, isAnyReady)) continue;
      const credit = this.#credits[i]! + share.weight;
      if (credit > most) {
        most = credit;
        chosen = share;
      }
    }
    return chosen.deployment;
  }

  /** A request goes to `deployment`. */
  take(deployment: number): void {
    const shares = this.#shares;
    if (shares.length === 1) return;
    const isAnyReady = this.#isAnyReady();
    let total = 0;
    for (let i = 0; i < shares.length; i++) {
      const share = shares[i]!;
      if (!this.#isServed(share, isAnyReady)) continue;
      total += share.weight;
      this.#credits[i]! += share.weight;
    }
    const at = shares.findIndex((share) => share.deployment === deployment);
    this.#credits[at]! -= total;
  }

  #isAnyReady(): boolean {
    return this.#shares.some(({ deployment, weight }) => weight > 0 && this.#hasReady(deployment));
  }

  #isServed({ deployment, weight }: Share, isAnyReady: boolean): boolean {
    return weight > 0 && (!isAnyReady || this.#hasReady(deployment));
  }
}
