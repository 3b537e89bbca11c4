// Pairs the items of two lists so that the sum of the scores of the pairs is the largest (Hungarian algorithm).
// Invariant: each row has one column, and no column has two rows. Time: rows × rows × columns.

/** `scores[row][column]`; at most as many rows as columns. Returns the column of each row. */
export function bestAssignment(scores: readonly (readonly number[])[]): number[] {
  const columns = scores[0]?.length ?? 0;
  // Column and row 0 are a start that stands for none, so that indices begin at 1.
  const rowPotential = new Float64Array(scores.length + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  for (let row = 1; row <= scores.length; row++) {
    rowOf[0] = row;
    const smallest = new Float64Array(columns + 1).fill(Infinity);
    const cameFrom = new Int32Array(columns + 1);
    const isDone = new Uint8Array(columns + 1);
    let column = 0;
    do {
      isDone[column] = 1;
      const from = rowOf[column]!;
      let delta = Infinity;
      let next = 0;
      for (let to = 1; to <= columns; to++) {
        if (isDone[to] === 1) continue;
        const cost = -scores[from - 1]![to - 1]! - rowPotential[from]! - columnPotential[to]!;
        if (cost < smallest[to]!) [smallest[to], cameFrom[to]] = [cost, column];
        if (smallest[to]! < delta) [delta, next] = [smallest[to]!, to];
      }
      for (let to = 0; to <= columns; to++)
        if (isDone[to] === 1) {
          rowPotential[rowOf[to]!]! += delta;
          columnPotential[to]! -= delta;
        } else smallest[to]! -= delta;
      column = next;
    } while (rowOf[column] !== 0);
    // Along the path that was found, each column takes the row of the column before it.
    while (column !== 0) {
      const before = cameFrom[column]!;
      rowOf[column] = rowOf[before]!;
      column = before;
    }
  }
  const assigned: number[] = Array.from({ length: scores.length });
  rowOf.forEach((row, column) => {
    if (column > 0 && row > 0) assigned[row - 1] = column - 1;
  });
  return assigned;
}
