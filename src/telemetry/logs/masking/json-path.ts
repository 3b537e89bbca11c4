// Paths to members of JSON bodies, in the part of JSONPath that needs no computing: `$.user.email`, `$.messages[*].name`,
// `$..password`, `$['a b'][0]`.
// Invariant: a path that does not parse gives a text that says why.

const ANY = Symbol('*');
const DEEP = Symbol('..');

/** A step: a name, an index, any member or item (`*`), or any number of levels (`..`). */
type PathStep = string | number | typeof ANY | typeof DEEP;

export interface JsonPath {
  readonly steps: readonly PathStep[];
}

/** Longest path, in characters. */
const LONGEST = 500;
const STEP =
  /(\.\.)?(?:\.?(\*)|\.?([A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*)|\[(?:(\*)|(\d{1,9})|'([^'\\]*)'|"([^"\\]*)")\])/y;

/** Parses a path. Returns an error text if it is invalid. */
export function parseJsonPath(text: string): JsonPath | string {
  if (text.length > LONGEST) return `longer than ${LONGEST} characters`;
  if (!text.startsWith('$') || text === '$')
    return 'must begin with $ and name a member, such as $.user.email';
  const steps: PathStep[] = [];
  STEP.lastIndex = 1;
  while (STEP.lastIndex < text.length) {
    const at = STEP.lastIndex;
    const match = STEP.exec(text);
    const needsDot = match !== null && match[1] === undefined && text[at] !== '.' && text[at] !== '[';
    if (match === null || needsDot)
      return `not understood at character ${at + 1}: ${text.slice(at, at + 20)}`;
    const [, deep, star, name, anyItem, index, single, double] = match;
    if (deep !== undefined) steps.push(DEEP);
    if (star !== undefined || anyItem !== undefined) steps.push(ANY);
    else if (index !== undefined) steps.push(Number(index));
    else steps.push(name ?? single ?? double ?? '');
  }
  return { steps };
}

/** How far paths have matched at one place of a body: pairs of a path and the index of its next step. */
export type PathState = readonly (readonly [path: number, step: number])[];

/** Matches several paths at once, while a body is read. */
export class PathMatcher {
  readonly #paths: readonly JsonPath[];
  /** The state at the root. */
  readonly root: PathState;

  constructor(paths: readonly JsonPath[]) {
    this.#paths = paths;
    this.root = paths.map((_, i) => [i, 0] as const);
  }

  /** The state at a member (by name) or item (by index) of a value with a state. */
  next(state: PathState, key: string | number): PathState {
    if (state.length === 0) return state;
    const out: (readonly [number, number])[] = [];
    for (const [path, at] of state) {
      const { steps } = this.#paths[path]!;
      let step = at;
      if (steps[step] === DEEP) {
        out.push([path, step]);
        step++;
      }
      const wanted = steps[step];
      if (wanted !== undefined && (wanted === ANY || wanted === key)) out.push([path, step + 1]);
    }
    return out;
  }

  /** Index of the first path that ends at a place with this state; -1: none does. */
  ended(state: PathState): number {
    for (const [path, step] of state) if (step === this.#paths[path]!.steps.length) return path;
    return -1;
  }
}
