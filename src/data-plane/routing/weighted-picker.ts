// Divides the traffic of one environment between its deployments by weight. Hot path.
// Invariant: as long as all deployments have a ready replica, each gets its share of any run of requests to within one
// request; one without a ready replica gets nothing while another has one.
// The method is nginx's smooth weighted round robin: shares are mixed evenly, without random numbers.

/** A deployment's share of the traffic. */
export interface Share {
  readonly deployment: number;
  readonly weight: number;
}

export class WeightedPicker {
  readonly #shares: readonly Share[];
  readonly #credits: number[];
  readonly #hasReady: (deployment: number) => boolean;

  /** `shares` must not be empty. `hasReady` says whether a deployment has a replica that takes requests. */
  constructor(shares: readonly Share[], hasReady: (deployment: number) => boolean) {
    this.#shares = shares;
    this.#credits = shares.map(() => 0);
    this.#hasReady = hasReady;
  }

  /** Returns the deployment for the next request. It is not counted until `take` is called. */
  peek(): number {
    const shares = this.#shares;
    if (shares.length === 1) return shares[0]!.deployment;
    const isAnyReady = this.#isAnyReady();
    let chosen = shares[0]!;
    let most = -Infinity;
    for (let i = 0; i < shares.length; i++) {
      const share = shares[i]!;
      if (!this.#isEligible(share, isAnyReady)) continue;
      const credit = this.#credits[i]! + share.weight;
      if (credit > most) {
        most = credit;
        chosen = share;
      }
    }
    return chosen.deployment;
  }

  /** Counts a request that goes to `deployment`. */
  take(deployment: number): void {
    const shares = this.#shares;
    if (shares.length === 1) return;
    const isAnyReady = this.#isAnyReady();
    let total = 0;
    for (let i = 0; i < shares.length; i++) {
      const share = shares[i]!;
      if (!this.#isEligible(share, isAnyReady)) continue;
      total += share.weight;
      this.#credits[i]! += share.weight;
    }
    const at = shares.findIndex((share) => share.deployment === deployment);
    this.#credits[at]! -= total;
  }

  #isAnyReady(): boolean {
    return this.#shares.some(({ deployment, weight }) => weight > 0 && this.#hasReady(deployment));
  }

  #isEligible({ deployment, weight }: Share, isAnyReady: boolean): boolean {
    return weight > 0 && (!isAnyReady || this.#hasReady(deployment));
  }
}
