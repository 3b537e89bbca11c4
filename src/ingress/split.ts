// How the traffic of one environment is divided between its deployments. Hot path.
// Must stay true: over any run of requests each deployment gets its share to within one request, as long as all of them
// have a ready replica; one that has none gets nothing while another one has.
// The method is smooth weighted round robin, as nginx has it: shares come evenly mixed, without a random number.

/** A deployment with its share. */
export interface Share {
  readonly deployment: number;
  readonly weight: number;
}

export class Split {
  readonly #shares: readonly Share[];
  readonly #credits: number[];
  readonly #hasReady: (deployment: number) => boolean;

  /** `shares` must not be empty; `hasReady` says whether a deployment has a replica that takes requests. */
  constructor(shares: readonly Share[], hasReady: (deployment: number) => boolean) {
    this.#shares = shares;
    this.#credits = shares.map(() => 0);
    this.#hasReady = hasReady;
  }

  /** The deployment of the next request. */
  next(): number {
    const shares = this.#shares;
    if (shares.length === 1) return shares[0]!.deployment;
    const isAnyReady = shares.some(({ deployment, weight }) => weight > 0 && this.#hasReady(deployment));
    let total = 0;
    let chosen = 0;
    let most = -Infinity;
    for (let i = 0; i < shares.length; i++) {
      const { deployment, weight } = shares[i]!;
      if (weight === 0 || (isAnyReady && !this.#hasReady(deployment))) continue;
      total += weight;
      const credit = (this.#credits[i]! += weight);
      if (credit > most) {
        most = credit;
        chosen = i;
      }
    }
    this.#credits[chosen]! -= total;
    return shares[chosen]!.deployment;
  }
}
