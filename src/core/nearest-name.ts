// Suggestions for mistyped names. Invariant: a suggestion differs from the name in at most a third of its letters, or
// two.

/** Longest part of a name that is compared, and that an error repeats, in characters. */
const SHOWN = 80;

/**
 * Error text for an unknown name, with the nearest known one: `unknown parameter "modle"; did you mean "model"?`.
 * `kind`: what the name stands for; `path`: prefix of the name when it is nested, such as `retry.`.
 */
export function unknownName(kind: string, name: string, known: readonly string[], path = ''): string {
  const near = nearest(name, known);
  const hint =
    known.length === 0
      ? `there are no ${kind}s here`
      : near === undefined
        ? `known ${kind}s: ${known.join(', ')}`
        : `did you mean ${JSON.stringify(near)}?`;
  return `unknown ${kind} ${JSON.stringify(path + name.slice(0, SHOWN))}; ${hint}`;
}

/** Edit distance (insert, delete, replace, swap of neighbours), as Damerau and Levenshtein defined it. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
        swap ? rows[i - 2]![j - 2]! + 1 : Infinity,
      );
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/**
 * The member of `known` that is nearest to `word`, ignoring case. `undefined` if all are more than `mostEdits` edits
 * away. Default of `mostEdits`: a third of the length of the word, at least 2.
 */
export function nearest(
  word: string,
  known: readonly string[],
  mostEdits = Math.max(2, Math.ceil(Math.min(word.length, SHOWN) / 3)),
): string | undefined {
  const written = word.slice(0, SHOWN).toLowerCase();
  let best: string | undefined;
  let bestDistance = mostEdits + 1;
  for (const candidate of known) {
    // Each letter of difference in length is at least one edit.
    if (Math.abs(candidate.length - written.length) >= bestDistance) continue;
    const d = distance(written, candidate.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}
