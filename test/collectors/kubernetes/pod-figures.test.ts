// Counts from pod objects: restarts, ready and starting pods.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pods, readPod, type PodFigures } from '../../../src/collectors/kubernetes/pod-figures.ts';
import { podObject, type PodShape } from '../../kit/pod.ts';

const figures = (...shapes: PodShape[]): PodFigures => {
  const pods = new Pods('');
  pods.replace(shapes.map(podObject));
  return pods.figures();
};

describe('a pod', () => {
  it('counts restarts of the model, not of weir or a native sidecar', () => {
    expect(readPod(podObject({ restarts: 3 }), '')?.restarts).toBe(3);
    expect(readPod(podObject({ restarts: 3 }), 'model')?.restarts).toBe(3);
    expect(readPod(podObject({ restarts: 3 }), 'weir')?.restarts).toBe(2);
    expect(readPod(podObject({ restarts: 3 }), 'log-shipper')?.restarts).toBe(0);
  });

  it('has the condition true, false or unknown', () => {
    expect(figures({}).readiness).toEqual({ true: 1, false: 0, unknown: 0 });
    expect(figures({ ready: 'False' }).readiness).toEqual({ true: 0, false: 1, unknown: 0 });
    // Pods of a lost node become Unknown.
    expect(figures({ ready: 'Unknown' }).readiness).toEqual({ true: 0, false: 0, unknown: 1 });
    expect(figures({ isPending: true }).readiness).toEqual({ true: 0, false: 0, unknown: 1 });
  });

  it('is starting until it is ready, and again after its container restarted', () => {
    const loading = { ready: 'False', readySince: '2026-11-20T08:00:01Z' } as const;
    const stumbled = { ready: 'False', readySince: '2026-11-20T09:00:00Z' } as const;
    expect(figures({ isPending: true })).toMatchObject({ active: 0, starting: 1 });
    expect(figures(loading)).toMatchObject({ active: 0, starting: 1 });
    expect(figures({})).toMatchObject({ active: 1, starting: 0 });
    expect(figures(stumbled)).toMatchObject({ active: 0, starting: 0, all: 1 });
    // In CrashLoopBackOff no container runs.
    const crashed = podObject({ ...stumbled, restarts: 4 });
    crashed.status.containerStatuses![0]!.state = { waiting: { reason: 'CrashLoopBackOff' } };
    expect(readPod(crashed, '')?.isStarting).toBe(true);
  });

  it('is neither active nor starting while it is deleted, and does not count after it ended', () => {
    expect(figures({ isDeleting: true })).toMatchObject({
      active: 0,
      starting: 0,
      all: 0,
      readiness: { true: 1 },
    });
    expect(figures({ ready: 'False', readySince: '2026-11-20T08:00:01Z', isDeleting: true }).starting).toBe(
      0,
    );
    expect(figures({ phase: 'Failed', ready: 'False' }).readiness).toEqual({ true: 0, false: 0, unknown: 0 });
  });

  it('does not count if the object is not a pod', () => {
    for (const value of [
      undefined,
      null,
      'pod',
      7,
      {},
      { metadata: { uid: 5 } },
      { kind: 'Status', code: 410 },
    ])
      expect(readPod(value, '')).toBeUndefined();
  });
});

describe('restarts', () => {
  it('stay counted after a pod is replaced, and are not counted twice if a list omitted it', () => {
    const pods = new Pods('');
    pods.put(podObject({ name: 'a', restarts: 2 }));
    pods.remove(podObject({ name: 'a', restarts: 3 }));
    pods.put(podObject({ name: 'b', restarts: 1 }));
    expect(pods.figures().restarts).toBe(4);
    pods.replace([]);
    pods.replace([podObject({ name: 'b', restarts: 1 })]);
    expect(pods.figures()).toMatchObject({ restarts: 4, active: 1 });
  });

  it('are kept for a bounded number of pods', () => {
    const pods = new Pods('');
    for (let i = 0; i < 6000; i++)
      pods.remove({ metadata: { uid: `u${i}` }, status: { containerStatuses: [] } });
    pods.put(podObject({ name: 'a', restarts: 2 }));
    expect(pods.figures().restarts).toBe(2);
  });

  it('never decrease, for any input', () => {
    const shape = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      restarts: fc.oneof(fc.nat(9), fc.constantFrom(-1, NaN, 1.5)),
      isDeleting: fc.boolean(),
    });
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('put', 'remove'), shape }),
      fc.record({ kind: fc.constant('replace'), shapes: fc.array(shape, { maxLength: 3 }) }),
      fc.record({ kind: fc.constant('junk'), junk: fc.anything() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const pods = new Pods('');
        let before = 0;
        for (const step of steps) {
          if ('shape' in step) pods[step.kind](podObject(step.shape));
          else if ('shapes' in step) pods.replace(step.shapes.map(podObject));
          else pods.put(step.junk);
          const { restarts, readiness, active, starting } = pods.figures();
          expect(restarts).toBeGreaterThanOrEqual(before);
          expect(active + starting).toBeLessThanOrEqual(readiness.true + readiness.false + readiness.unknown);
          before = restarts;
        }
      }),
    );
  });
});
