// A raw value as a source gives it, and names that all sources share.
import { nearest } from '../core/nearest-name.ts';
import type { Setting } from './schema.ts';

export type SettingPath = readonly (string | number)[];

/** One raw value and its origin. */
export interface GivenValue {
  readonly path: SettingPath;
  readonly value: unknown;
  /** `--listen`, `WEIR_LISTEN`, `weir.yaml:12`. */
  readonly origin: string;
}

/** Flags and variables that are not settings. */
export const REPLICA = { flag: 'replica', variable: 'WEIR_REPLICA' } as const;
export const CONFIG = { flag: 'config', variable: 'WEIR_CONFIG' } as const;

/** The path that a flag or variable sets. Flags of deployments set the first deployment. */
export const pathSetBy = ({ path }: Setting): SettingPath => path.map((key) => (key === '[]' ? 0 : key));

/** End of an error text for an unknown name: `; did you mean --listen?`; empty if no known name is near. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
}
