// Describes which values of a JSON text are wanted (json-skimmer.ts), and finds members of objects by their names.
// Invariant: an object's wanted members are found without making a string of a name.
import { indexOfByte } from './byte-search.ts';
import { BACKSLASH } from './json-bytes.ts';
import { jsonText } from './text-cache.ts';

/** Wanted values are not nested deeper. */
export const MAX_DEPTH = 8;

/** What is done with a value. A sum of these. */
export const TAKE = {
  /** A string is given to `text`. */
  text: 1,
  /** A whole number of 0 or more, also if it is written as `12.0` or `1e3`, is given to `number`. */
  number: 2,
  /** A string, list or object that is not empty is given to `filled`. */
  filled: 4,
  /** Any value but null is given to `raw`, as it stands. */
  raw: 8,
  /** `true` and `false` are given to `flag`. */
  flag: 16,
  /** The begin and the end of an object are given to `begins` and `ends`. */
  bounds: 32,
} as const;

/** A value that is wanted, or that holds wanted ones. */
export interface SkimNode {
  /** Sum of TAKE. */
  readonly take: number;
  /** Number that the listener gets with the value. */
  readonly slot: number;
  /** Of an object: its wanted members, by the length of their names. */
  readonly keys: readonly (readonly SkimKey[] | undefined)[] | undefined;
  /** Of a list: its items. */
  readonly item: SkimNode | undefined;
}

interface SkimKey {
  readonly name: Uint8Array;
  readonly node: SkimNode;
}

/** Gets the wanted values in the order of the text. bytes[from, to) are only borrowed. */
export interface SkimListener {
  /** What stands between the quotes of a string; its first 4,096 bytes if it is longer. It may have escapes. */
  text(slot: number, bytes: Buffer, from: number, to: number): void;
  number(slot: number, value: number): void;
  flag(slot: number, value: boolean): void;
  filled(slot: number): void;
  /** `json` is empty if the value is longer than 4,096 bytes. */
  raw(slot: number, json: string): void;
  begins(slot: number): void;
  ends(slot: number): void;
}

/** Describes a value. `keys`: wanted members of an object. */
export function skim(
  take = 0,
  slot = 0,
  keys?: Readonly<Record<string, SkimNode>>,
  item?: SkimNode,
): SkimNode {
  if (keys === undefined) return { take, slot, keys: undefined, item };
  const byLength: (SkimKey[] | undefined)[] = [];
  for (const [name, node] of Object.entries(keys))
    (byLength[name.length] ??= []).push({ name: Buffer.from(name), node });
  // Without holes, which are slower to read.
  return { take, slot, keys: Array.from(byLength), item };
}

/** The node of a member's name, if it is wanted. */
export function keyOf({ keys }: SkimNode, bytes: Buffer, from: number, to: number): SkimNode | undefined {
  const wanted = to - from < keys!.length ? keys![to - from] : undefined;
  if (wanted !== undefined)
    next: for (const { name, node } of wanted) {
      for (let i = 0; i < name.length; i++) if (name[i] !== bytes[from + i]) continue next;
      return node;
    }
  return undefined;
}

/** As `keyOf`, of a name that may have escapes. */
export function anyKeyOf(around: SkimNode, bytes: Buffer, from: number, to: number): SkimNode | undefined {
  // An escape is at most six times as long as its character.
  if (to - from > 6 * around.keys!.length || indexOfByte(bytes, BACKSLASH, from, to) === to)
    return keyOf(around, bytes, from, to);
  const name = Buffer.from(jsonText(bytes, from, to));
  return keyOf(around, name, 0, name.length);
}
