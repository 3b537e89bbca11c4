import { describe, expect, it } from 'vitest';
import { read } from '../../../src/core/settings.ts';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import { scaleOptions } from '../../../src/control/scaling/options.ts';
import { Autoscaler, type ScaledDeployment } from '../../../src/control/scaling/autoscaler.ts';

/** A scale whose clock stands still, which nobody has started: it decides when it is told to. */
function stand(input: Record<string, unknown>, deployments: ScaledDeployment[], asyncLoad = () => 0) {
  const options = read(scaleOptions, input);
  if (!options.ok) throw new Error('bad settings');
  // In whole milliseconds, as what is told in seconds is to be exact: sums of fractions are not.
  const clock = { nowMs: Math.floor(performance.now()) };
  const scale = new Autoscaler(
    options.settings,
    { deployments: () => deployments, asyncLoad },
    () => clock.nowMs,
  );
  const exchanges = new Exchanges({ trust_inbound: false });
  exchanges.observe(scale.observer);
  scale.tick();
  const begin = (deployment = 0, isAsync = false) => {
    const exchange = exchanges.open(undefined);
    exchange.isAsync = isAsync;
    exchange.route(deployment);
    return exchange;
  };
  return { scale, clock, begin };
}

const NONE: ScaledDeployment = { index: 0, id: 'dep1', concurrencyTarget: 0, current: 0 };

describe('scaling', () => {
  it('decides at the first request of all, before any tick', async () => {
    const { scale, begin } = stand({}, [NONE]);
    expect(scale.readings()[0]).toMatchObject({ desired: 0, in_flight: 0 });
    begin();
    await Promise.resolve();
    expect(scale.readings()[0]).toMatchObject({ desired: 1, in_flight: 1, reason: 'up' });
  });

  it('counts a wake as one in flight for a second, however many ask, and decides at once', async () => {
    const { scale, clock } = stand(
      { max_replica: 20, target_utilization_percentage: 100, scale_down_delay: '100s' },
      [NONE],
    );
    const pass = (ms: number) => {
      clock.nowMs += ms;
      scale.tick();
    };
    for (let i = 0; i < 50; i++) scale.wake(0);
    await Promise.resolve();
    expect(scale.readings()[0]).toMatchObject({ desired: 1, in_flight: 1, reason: 'up' });
    pass(999);
    scale.wake(0);
    pass(999);
    expect(scale.readings()[0]).toMatchObject({ desired: 1, in_flight: 1 });
    pass(1);
    expect(scale.readings()[0]).toMatchObject({ desired: 1, in_flight: 0 });
    scale.wake(7);
    expect(scale.readings()).toHaveLength(1);
    for (let i = 0; i < 200; i++) pass(1000);
    expect(scale.readings()[0]).toMatchObject({ desired: 0 });
  });

  it('does not count asynchronous exchanges', async () => {
    const { scale, begin } = stand({}, [NONE]);
    const exchange = begin(0, true);
    await Promise.resolve();
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({ desired: 0, in_flight: 0 });
    exchange.close('ok', 200);
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({ in_flight: 0 });
  });

  it('counts what was routed to a deployment that came with a changed configuration, up and down', () => {
    const deployments = [NONE];
    const { scale, begin } = stand({}, deployments);
    deployments.push({ ...NONE, index: 1, id: 'dep2' });
    const exchange = begin(1);
    scale.tick();
    expect(scale.readings().map(({ in_flight }) => in_flight)).toEqual([0, 1]);
    exchange.close('client_gone', 499);
    scale.tick();
    expect(scale.readings().map(({ in_flight }) => in_flight)).toEqual([0, 0]);
  });

  it('keeps what it knows of a deployment that is gone and comes back', () => {
    const deployments = [NONE];
    const { scale, begin } = stand({}, deployments);
    const exchange = begin();
    deployments.length = 0;
    scale.tick();
    expect(scale.readings()).toEqual([]);
    exchange.close('ok', 200);
    deployments.push(NONE);
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({ in_flight: 0 });
  });

  it('tells how long the delay still runs', () => {
    const { scale, clock } = stand({ scale_down_delay: '100s' }, [{ ...NONE, current: 1 }]);
    clock.nowMs += 30_000;
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({
      desired: 1,
      wanted: 0,
      reason: 'down_delayed',
      scale_down_in_seconds: 70,
    });
    clock.nowMs += 70_000;
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({ desired: 0, reason: 'down', scale_down_in_seconds: null });
  });

  it('that does not know yet how many replicas there are desires nothing, and then no fewer than those', async () => {
    const deployments: ScaledDeployment[] = [{ ...NONE, current: undefined }];
    const { scale, clock, begin } = stand({ max_replica: 20, scale_down_delay: '100s' }, deployments);
    const pass = (seconds: number) => {
      clock.nowMs += seconds * 1000;
      scale.tick();
    };
    begin();
    await Promise.resolve();
    expect(scale.readings()[0]).toMatchObject({
      desired: null,
      current: null,
      wanted: null,
      reason: 'not_counted',
      in_flight: 1,
      scale_down_in_seconds: null,
    });
    pass(30);
    deployments[0] = { ...NONE, current: 8 };
    pass(1);
    expect(scale.readings()[0]).toMatchObject({ desired: 8, current: 8, wanted: 2, reason: 'down_delayed' });
    pass(99);
    expect(scale.readings()[0]).toMatchObject({ desired: 8 });
    // Once it has begun it goes on, whoever can count or not.
    deployments[0] = { ...NONE, current: undefined };
    pass(1);
    expect(scale.readings()[0]).toMatchObject({ desired: 4, current: null });
  });

  it('goes by the load alone where nobody has counted the replicas for a whole window', async () => {
    const { scale, clock, begin } = stand({ max_replica: 20, autoscaling_window: '10s' }, [
      { ...NONE, current: undefined },
    ]);
    for (let i = 0; i < 7; i++) begin();
    for (let i = 0; i < 9; i++) {
      clock.nowMs += 1000;
      scale.tick();
    }
    expect(scale.readings()[0]).toMatchObject({ desired: null });
    clock.nowMs += 1000;
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({ desired: 10, reason: 'up' });
  });

  it('counts the queue from when it is seen, and zero begins when it was last seen', () => {
    let queued = 5;
    const { scale, clock } = stand(
      { count_queued_async: true, max_replica: 20, scale_down_delay: '100s' },
      [NONE],
      () => queued,
    );
    clock.nowMs += 1000;
    scale.tick();
    // 5 / 0.7
    expect(scale.readings()[0]).toMatchObject({ desired: 8, async_counted: 5, in_flight: 5 });
    queued = 0;
    clock.nowMs += 1000;
    scale.tick();
    expect(scale.readings()[0]).toMatchObject({ async_counted: 0, in_flight: 0 });
    for (let i = 0; i < 500; i++) {
      clock.nowMs += 1000;
      scale.tick();
    }
    expect(scale.readings()[0]).toMatchObject({ desired: 0 });
  });
});
