import { describe, expect, it } from 'vitest';
import { read } from '../../../src/core/read-settings.ts';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import { scaleOptions } from '../../../src/control/scaling/options.ts';
import { quietLog } from '../../kit/quiet-log.ts';
import { Autoscaler, type ScaledDeployment } from '../../../src/control/scaling/autoscaler.ts';

/** An autoscaler with a manual clock and without timers. */
function manual(input: Record<string, unknown>, deployments: ScaledDeployment[], asyncLoad = () => 0) {
  const options = read(scaleOptions, input);
  if (!options.ok) throw new Error('bad settings');
  // Whole milliseconds, since sums of fractions are not exact.
  const clock = { nowMs: Math.floor(performance.now()) };
  const autoscaler = new Autoscaler(
    options.settings,
    { deployments: () => deployments, asyncLoad, log: quietLog() },
    () => clock.nowMs,
  );
  const exchanges = new Exchanges({ trust_inbound: false });
  exchanges.observe(autoscaler.observer);
  autoscaler.tick();
  const begin = (deployment = 0, isAsync = false) => {
    const exchange = exchanges.open(undefined);
    exchange.isAsync = isAsync;
    exchange.route(deployment);
    return exchange;
  };
  return { autoscaler, clock, begin };
}

const NONE: ScaledDeployment = { index: 0, id: 'dep1', concurrencyTarget: 0, current: 0 };

describe('the autoscaler', () => {
  it('decides at the first request, before a tick', async () => {
    const { autoscaler, begin } = manual({}, [NONE]);
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 0, in_flight: 0 });
    begin();
    await Promise.resolve();
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 1, in_flight: 1, reason: 'up' });
  });

  it('counts all wakes of a second as one request in flight, and decides at once', async () => {
    const { autoscaler, clock } = manual(
      { max_replica: 20, target_utilization_percentage: 100, scale_down_delay: '100s' },
      [NONE],
    );
    const pass = (ms: number) => {
      clock.nowMs += ms;
      autoscaler.tick();
    };
    for (let i = 0; i < 50; i++) autoscaler.wake(0);
    await Promise.resolve();
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 1, in_flight: 1, reason: 'up' });
    pass(999);
    autoscaler.wake(0);
    pass(999);
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 1, in_flight: 1 });
    pass(1);
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 1, in_flight: 0 });
    autoscaler.wake(7);
    expect(autoscaler.readings()).toHaveLength(1);
    for (let i = 0; i < 200; i++) pass(1000);
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 0 });
  });

  it('does not count asynchronous requests', async () => {
    const { autoscaler, begin } = manual({}, [NONE]);
    const exchange = begin(0, true);
    await Promise.resolve();
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 0, in_flight: 0 });
    exchange.close('ok', 200);
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({ in_flight: 0 });
  });

  it('counts requests of a deployment that a changed configuration has added', () => {
    const deployments = [NONE];
    const { autoscaler, begin } = manual({}, deployments);
    deployments.push({ ...NONE, index: 1, id: 'dep2' });
    const exchange = begin(1);
    autoscaler.tick();
    expect(autoscaler.readings().map(({ in_flight }) => in_flight)).toEqual([0, 1]);
    exchange.close('client_gone', 499);
    autoscaler.tick();
    expect(autoscaler.readings().map(({ in_flight }) => in_flight)).toEqual([0, 0]);
  });

  it('keeps the state of a deployment that is removed and added again', () => {
    const deployments = [NONE];
    const { autoscaler, begin } = manual({}, deployments);
    const exchange = begin();
    deployments.length = 0;
    autoscaler.tick();
    expect(autoscaler.readings()).toEqual([]);
    exchange.close('ok', 200);
    deployments.push(NONE);
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({ in_flight: 0 });
  });

  it('reports the remaining delay', () => {
    const { autoscaler, clock } = manual({ scale_down_delay: '100s' }, [{ ...NONE, current: 1 }]);
    clock.nowMs += 30_000;
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({
      desired: 1,
      wanted: 0,
      reason: 'down_delayed',
      scale_down_in_seconds: 70,
    });
    clock.nowMs += 70_000;
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({
      desired: 0,
      reason: 'down',
      scale_down_in_seconds: null,
    });
  });

  it('decides nothing until the replicas are counted, and then starts with their number', async () => {
    const deployments: ScaledDeployment[] = [{ ...NONE, current: undefined }];
    const { autoscaler, clock, begin } = manual({ max_replica: 20, scale_down_delay: '100s' }, deployments);
    const pass = (seconds: number) => {
      clock.nowMs += seconds * 1000;
      autoscaler.tick();
    };
    begin();
    await Promise.resolve();
    expect(autoscaler.readings()[0]).toMatchObject({
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
    expect(autoscaler.readings()[0]).toMatchObject({
      desired: 8,
      current: 8,
      wanted: 2,
      reason: 'down_delayed',
    });
    pass(99);
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 8 });
    // Later decisions do not need the count.
    deployments[0] = { ...NONE, current: undefined };
    pass(1);
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 4, current: null });
  });

  it('decides by the load alone after a whole window without a count', async () => {
    const { autoscaler, clock, begin } = manual({ max_replica: 20, autoscaling_window: '10s' }, [
      { ...NONE, current: undefined },
    ]);
    for (let i = 0; i < 7; i++) begin();
    for (let i = 0; i < 9; i++) {
      clock.nowMs += 1000;
      autoscaler.tick();
    }
    expect(autoscaler.readings()[0]).toMatchObject({ desired: null });
    clock.nowMs += 1000;
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 10, reason: 'up' });
  });

  it('counts the queue from the tick that sees it, and is idle from the tick that sees none', () => {
    let queued = 5;
    const { autoscaler, clock } = manual(
      { count_queued_async: true, max_replica: 20, scale_down_delay: '100s' },
      [NONE],
      () => queued,
    );
    clock.nowMs += 1000;
    autoscaler.tick();
    // 5 / 0.7
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 8, async_counted: 5, in_flight: 5 });
    queued = 0;
    clock.nowMs += 1000;
    autoscaler.tick();
    expect(autoscaler.readings()[0]).toMatchObject({ async_counted: 0, in_flight: 0 });
    for (let i = 0; i < 500; i++) {
      clock.nowMs += 1000;
      autoscaler.tick();
    }
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 0 });
  });
});
