// The order of tags: positions and moves.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changesOfMove, inOrder, positionBetween, type PlacedTag } from '../../page/parts/tag-order.ts';

/** The list after the changes of a move, as it is shown then. */
function afterMove(tags: readonly PlacedTag[], from: number, to: number): PlacedTag[] {
  const changes = new Map(changesOfMove(tags, from, to).map(({ id, position }) => [id, position]));
  return inOrder(tags.map((tag) => ({ ...tag, position: changes.get(tag.id) ?? tag.position })));
}

const ids = (tags: readonly PlacedTag[]): string[] => tags.map(({ id }) => id);

const position = fc.option(
  fc.oneof(fc.stringMatching(/^[0-9A-Za-z]{1,4}$/), fc.string({ maxLength: 4 }), fc.constant('0')),
);

describe('tags', () => {
  it('stand where they are put, whatever their positions were', () => {
    fc.assert(
      fc.property(
        fc.array(position, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 }),
        (positions, moves) => {
          let tags = inOrder(positions.map((one, i) => ({ id: String(i), position: one })));
          for (const [a, b] of moves) {
            const [from, to] = [a % tags.length, b % tags.length];
            const wanted = ids(tags);
            wanted.splice(to, 0, ...wanted.splice(from, 1));
            tags = afterMove(tags, from, to);
            expect(ids(tags)).toEqual(wanted);
          }
        },
      ),
    );
  });

  it('are moved by one change between two that have positions', () => {
    const tags = ['a', 'b', 'c'].map((id, i) => ({ id, position: 'GPZ'[i]! }));
    expect(changesOfMove(tags, 2, 1)).toEqual([{ id: 'c', position: positionBetween('G', 'P') }]);
    expect(changesOfMove(tags, 0, 0)).toEqual([]);
  });

  it('can be put between two neighbours a thousand times', () => {
    let before = 'b';
    for (let i = 0; i < 1000; i++) {
      const next = positionBetween('a', before)!;
      expect('a' < next && next < before).toBe(true);
      before = next;
    }
  });
});
