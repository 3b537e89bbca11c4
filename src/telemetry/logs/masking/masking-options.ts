// What settings say about masking.
// Invariant: options are plain data, since they go to other threads.

export const MASK_PLACES = ['bodies', 'posts', 'lines'] as const;
export type MaskPlace = (typeof MASK_PLACES)[number];

export const PATH_ACTIONS = ['drop', 'hash'] as const;
export type PathAction = (typeof PATH_ACTIONS)[number];

/** What is masked besides secrets. Plain data. */
export interface MaskingOptions {
  /** Names of rules (mask-rules.ts). */
  readonly rules: readonly string[];
  /** Where they apply: captured bodies; posted records, rows and spans with their bodies; lines and facts of requests. */
  readonly places: readonly MaskPlace[];
  /** Values in JSON bodies. */
  readonly paths: readonly { readonly path: string; readonly action: PathAction }[];
  /** The first one whose path matches says which rules apply to captured bodies; `default`: `rules`. */
  readonly routes: readonly { readonly path: string; readonly mask: readonly string[] }[];
  /** Folder of the key of hashes; empty: a key that is forgotten when weir ends. */
  readonly keyFolder: string;
}

export const NO_MASKING: MaskingOptions = { rules: [], places: [], paths: [], routes: [], keyFolder: '' };

/** A word of `routes[].mask` that stands for `rules`. */
export const DEFAULT_MASK = 'default';
