// Bodies of requests, from a drain to the bytes that are stored and back.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyGroups, OpenBodies, type NumberedBodies } from '../../../../src/telemetry/logs/store/bodies.ts';

interface StoredGroup {
  readonly seq: number;
  readonly bodies: Uint8Array;
}

/** The bodies of a request, as a reader finds them: in the last group that begins at or before it. */
function found(groups: readonly StoredGroup[], seq: number): ReturnType<OpenBodies['of']> {
  const group = groups.findLast((one) => one.seq <= seq);
  return group && new OpenBodies(group.bodies).of(seq);
}

function expectFound(groups: readonly StoredGroup[], all: readonly NumberedBodies[]): void {
  for (const { seq, request, response } of all)
    expect(found(groups, seq)).toEqual({
      request: request && Buffer.from(request),
      response: response && Buffer.from(response),
    });
}

const body = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined });

describe('groups of bodies', () => {
  it('give back each body, also after the memory was used for others', () => {
    const groups = new BodyGroups();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), body, body), { minLength: 1 }),
        (list) => {
          let seq = 0;
          const all = list.map(([step, request, response]) => ({ seq: (seq += step), request, response }));
          for (const one of all) groups.add(one);
          expectFound(groups.encoded(Infinity), all);
          expect(found(groups.encoded(Infinity), seq + 1)).toBeUndefined();
          groups.remove(Infinity);
          expect(groups.encoded(Infinity)).toEqual([]);
        },
      ),
    );
  });

  it('are divided if there are many bodies, or large ones', () => {
    const groups = new BodyGroups();
    const sizes = [...Array<number>(3000).fill(1), 200_000, 200_000, 1_000_000, 10, 300_000];
    const all = sizes.map((size, i) => ({ seq: i + 1, request: randomBytes(size), response: undefined }));
    for (const one of all) groups.add(one);
    const encoded = groups.encoded(Infinity);
    expect(encoded.map(({ seq }) => seq)).toEqual([1, 1025, 2049, 3002, 3003, 3004, 3005]);
    expectFound(
      encoded,
      all.filter(({ seq }) => seq % 300 === 0 || seq > 3000),
    );
  });

  it('end where a block ends', () => {
    const groups = new BodyGroups();
    const all = [1, 2, 3, 4].map((seq) => ({ seq, request: Buffer.from([seq]), response: undefined }));
    for (const one of all) groups.add(one, one.seq < 3 ? 1 : 3);
    expect(groups.encoded(3).map(({ seq }) => seq)).toEqual([1]);
    groups.remove(3);
    const rest = groups.encoded(Infinity);
    expect(rest.map(({ seq }) => seq)).toEqual([3]);
    expectFound(rest, all.slice(2));
  });
});
