// Autoscaling: the metrics page, GET /v1/scale, and the calls of KEDA's external scaler protocol.
import type { ServerResponse } from 'node:http';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { Keda } from '../kit/keda.ts';
import { KubeApi } from '../kit/kube-api.ts';
import { podObject } from '../kit/pod.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let keda: Keda | undefined;
afterEach(async () => {
  keda?.close();
  keda = undefined;
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

/** A replica that holds its requests until the test calls `release`. */
async function heldReplica() {
  const held: ServerResponse[] = [];
  const replica = await startReplica((_, res) => void held.push(res));
  return {
    replica,
    held,
    release: () => {
      for (const res of held.splice(0)) res.end('ok');
    },
  };
}

const SCALER = ['--scale-keda', '--scaler=127.0.0.1:0'];
const predict = (weir: Weir) => call(weir.url, '/production/predict', { method: 'POST', body: '{}' });
const scaleOf = async (weir: Weir) => {
  const { deployments } = (await (await fetch(`${weir.admin}/v1/scale`)).json()) as {
    deployments: Record<string, unknown>[];
  };
  return deployments[0]!;
};

describe('GET /v1/scale', () => {
  it('shows the desired replicas and the values that determine them, as the metrics page does', async () => {
    const { replica, held, release } = await heldReplica();
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--scale-max-replica=10',
      '--scale-concurrency-target=2',
      '--scale-target-utilization-percentage=50',
    ]);
    const running = [predict(weir), predict(weir), predict(weir)];
    await until('three are in flight', () => held.length === 3);
    const seen = await until('the requests are counted', async () => {
      const scale = await scaleOf(weir);
      return scale['in_flight'] === 3 && Number(scale['desired']) >= 1 && scale;
    });
    expect(seen).toMatchObject({
      id: 'local',
      current: 1,
      concurrency_target: 2,
      target_utilization_percentage: 50,
      in_flight_per_replica: 1,
      min_replica: 0,
      max_replica: 10,
      async_counted: 0,
    });
    // The mean approaches three requests, at one per replica. Between two and three, three replicas are desired.
    await until('three replicas are desired', async () => (await scaleOf(weir))['desired'] === 3, 20_000);
    const page = await weir.page();
    expect(page.value('weir_replicas_desired{deployment_id="local"}')).toBe(3);
    expect(page.value('weir_in_flight_mean{deployment_id="local"}')).toBeGreaterThan(2);
    expect(page.value('weir_in_flight_per_replica_target{deployment_id="local"}')).toBe(1);
    release();
    await Promise.all(running);
    const after = await until('no request is in flight', async () => {
      const scale = await scaleOf(weir);
      return scale['in_flight'] === 0 && scale;
    });
    expect(after['desired']).toBe(3);
  });

  it('uses the target of the deployment before the target of the scale settings', async () => {
    const { replica } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, '--deployment-concurrency-target=10']);
    expect(await scaleOf(weir)).toMatchObject({ concurrency_target: 10, in_flight_per_replica: 7 });
  });

  it('counts asynchronous tasks only if scale.count_queued_async is set', async () => {
    const { replica, held, release } = await heldReplica();
    for (const isCounted of [true, false]) {
      const weir = await startWeir([
        '--replica',
        replica.url,
        '--async-store=memory',
        '--async-concurrency=1',
        `--scale-count-queued-async=${isCounted}`,
      ]);
      for (let i = 0; i < 3; i++)
        await call(weir.url, '/production/async_predict', { method: 'POST', body: '{"model_input": {}}' });
      await until('one task runs', () => held.length === 1);
      if (isCounted)
        await until('all three tasks are counted', async () => (await scaleOf(weir))['async_counted'] === 3);
      else {
        const page = await weir.page();
        expect(page.value('weir_async_in_progress{deployment_id="local"}')).toBe(1);
        expect(await scaleOf(weir)).toMatchObject({ in_flight: 0, async_counted: 0, mean_in_flight: 0 });
      }
      release();
      await weir.stop('SIGKILL');
    }
  });

  it('rejects contradictory scale settings in weir check', async () => {
    const args = ['check', '--replica', 'http://127.0.0.1:1', '--scale-keda'];
    const checked = await runWeir([...args, '--scale-min-replica=2', '--scaler=0.0.0.0:8080']);
    expect(checked.code).toBe(2);
    expect(checked.err).toContain('scale.min_replica (2) is larger than scale.max_replica (1)');
    expect(checked.err).toContain(
      'ingress.listen and scale.listen are the same address, 0.0.0.0:8080; change one of them',
    );
  });
});

describe('the external scaler for KEDA', () => {
  it('does not listen by default', async () => {
    const { replica } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url]);
    expect(weir.lines.find(({ event }) => event === 'listening')).not.toHaveProperty('scaler');
  });

  it.each([
    ['a flag', ['--scaler=127.0.0.1:0'], {}],
    ['the long flag', ['--scale-listen=127.0.0.1:0'], {}],
    ['a variable', [], { WEIR_SCALER: '127.0.0.1:0' }],
    ['the file', [`--config=${folder({ 'weir.yaml': 'scale: { listen: "127.0.0.1:0" }' })}/weir.yaml`], {}],
  ])('listens if only its address is set, by %s', async (_, args, env) => {
    const { replica } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, ...args], { env });
    keda = new Keda(weir.scalerPort);
    expect(await keda.check('')).toEqual({ status: 'SERVING' });
  });

  it('does not listen if scale.keda is false, and weir warns that the address has no effect', async () => {
    const { replica } = await heldReplica();
    const args = ['--replica', replica.url, '--scaler=127.0.0.1:0', '--scale-keda=false'];
    const weir = await startWeir(args);
    expect(weir.lines.find(({ event }) => event === 'listening')).not.toHaveProperty('scaler');
    const warning = await weir.expectLine('a warning', ({ level }) => level === 'warn');
    expect(warning).toMatchObject({
      event: 'scale.listen has no effect, because scale.keda is false',
      'scale.listen': '--scaler',
      'scale.keda': '--scale-keda',
    });
    expect(await runWeir(['check', ...args])).toMatchObject({
      code: 0,
      err: 'weir: warning: scale.listen has no effect, because scale.keda is false (scale.listen: --scaler, scale.keda: --scale-keda)\n',
    });
  });

  it('returns activity, metric specification and metric value, as integers and as fractions', async () => {
    const { replica, held, release } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, '--scale-max-replica=4', ...SCALER]);
    keda = new Keda(weir.scalerPort);
    const byMean = {
      deployment: 'local',
      metric: 'concurrency',
      targetConcurrency: '5',
      targetUtilization: '70',
    };
    expect(await keda.isActive(byMean)).toEqual({ result: false });
    expect(await keda.metricSpec(byMean)).toEqual({
      metricSpecs: [{ metricName: 'weir-concurrency-local', targetSize: 4, targetSizeFloat: 3.5 }],
    });
    expect(await keda.metricSpec()).toEqual({
      metricSpecs: [{ metricName: 'weir-replicas-local', targetSize: 1, targetSizeFloat: 1 }],
    });
    const running = [predict(weir), predict(weir)];
    await until('two are in flight', () => held.length === 2);
    expect(await keda.isActive(byMean)).toEqual({ result: true });
    const { metricValues } = (await keda.metrics(byMean, 's0-weir-concurrency-local')) as {
      metricValues: { metricName: string; metricValue: number; metricValueFloat: number }[];
    };
    const { metricName, metricValue, metricValueFloat } = metricValues[0]!;
    expect(metricName).toBe('s0-weir-concurrency-local');
    expect(metricValue).toBe(Math.round(metricValueFloat));
    await until('the metric value equals the decision of /v1/scale', async () => {
      const { desired } = await scaleOf(weir);
      const metricValues = [
        { metricName: 'weir-replicas-local', metricValue: desired, metricValueFloat: desired },
      ];
      const answered = (await keda!.metrics({}, 'weir-replicas-local')) as object;
      return JSON.stringify(answered) === JSON.stringify({ metricValues });
    });
    release();
    await Promise.all(running);
  });

  it('pushes true at the first request, even if it waits in the queue without a replica', async () => {
    const { replica } = await heldReplica();
    await replica.close();
    const weir = await startWeir(['--replica', replica.url, '--scale-scale-down-delay=0', ...SCALER]);
    keda = new Keda(weir.scalerPort);
    await until('no replica is desired', async () => (await scaleOf(weir))['desired'] === 0);
    const pushed = keda.stream<{ result: boolean }>('StreamIsActive');
    const byMean = keda.stream<{ result: boolean }>('StreamIsActive', { metric: 'concurrency' });
    // The stream is open on weir's side once a later call on the same connection is answered.
    expect(await keda.isActive()).toEqual({ result: false });
    expect(pushed.messages).toEqual([]);
    const waiting = predict(weir).catch(() => 'cut');
    await until('both streams get a message', () => pushed.messages.length > 0 && byMean.messages.length > 0);
    expect(pushed.messages).toEqual([{ result: true }]);
    expect((await weir.page()).value('weir_queue_length{deployment_id="local"}')).toBe(1);
    pushed.cancel();
    await weir.stop('SIGKILL');
    await waiting;
  });

  it('pushes true after POST …/wake, and one replica is desired', async () => {
    const { replica, held } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, '--scale-scale-down-delay=0', ...SCALER]);
    keda = new Keda(weir.scalerPort);
    await until('no replica is desired', async () => (await scaleOf(weir))['desired'] === 0);
    const pushed = keda.stream<{ result: boolean }>('StreamIsActive');
    const byMean = keda.stream<{ result: boolean }>('StreamIsActive', { metric: 'concurrency' });
    expect(await keda.isActive()).toEqual({ result: false });
    const woken = await call(weir.url, '/production/wake', { method: 'POST' });
    expect([woken.status, woken.text]).toEqual([202, '{}']);
    await until(
      'both streams get a message',
      () => pushed.messages.length === 1 && byMean.messages.length === 1,
    );
    expect(await keda.isActive()).toEqual({ result: true });
    expect((await weir.page()).value('weir_replicas_desired{deployment_id="local"}')).toBe(1);
    // A wake is not a request: it does not wait, and no replica receives it.
    await until('the wake has ended', async () => (await scaleOf(weir))['in_flight'] === 0);
    expect((await weir.page()).value('baseten_concurrent_requests')).toBe(0);
    expect(held).toEqual([]);
  });

  it('pushes true for an asynchronous task that waits for the first replica, if tasks are counted', async () => {
    const { replica } = await heldReplica();
    await replica.close();
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--scale-scale-down-delay=0',
      '--async-store=memory',
      '--scale-count-queued-async',
      ...SCALER,
    ]);
    keda = new Keda(weir.scalerPort);
    await until('no replica is desired', async () => (await scaleOf(weir))['desired'] === 0);
    const pushed = keda.stream<{ result: boolean }>('StreamIsActive');
    expect(await keda.isActive()).toEqual({ result: false });
    const { status: accepted } = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      body: '{"model_input": {}}',
    });
    expect(accepted).toBe(201);
    await until('the stream gets a message', () => pushed.messages.length === 1);
    expect(await scaleOf(weir)).toMatchObject({ desired: 1, in_flight: 1, async_counted: 1 });
  });

  it('scales from zero to one and back to zero, and the first request gets its response', async () => {
    const model = await startReplica(() => undefined);
    await model.close();
    const weir = await startWeir([
      '--replica',
      model.url,
      '--scale-autoscaling-window=10s',
      '--scale-scale-down-delay=1s',
      '--pool-probe-retry-interval=50ms',
      ...SCALER,
    ]);
    keda = new Keda(weir.scalerPort);
    await until('no replica is desired', async () => (await scaleOf(weir))['desired'] === 0);
    const pushed = keda.stream<{ result: boolean }>('StreamIsActive');
    expect(await keda.isActive()).toEqual({ result: false });
    const first = predict(weir);
    await until('the stream gets a message', () => pushed.messages.length === 1);
    expect(await keda.metrics({}, 'm')).toMatchObject({ metricValues: [{ metricValue: 1 }] });
    const pod = await startReplica((_, res) => res.end('served'), model.port);
    expect((await first).text).toBe('served');
    // Once the last request has left the window, and the delay is over.
    await until('no replica is desired again', async () => (await scaleOf(weir))['desired'] === 0, 20_000);
    expect(await keda.isActive()).toEqual({ result: false });
    expect(await keda.metrics({}, 'm')).toMatchObject({ metricValues: [{ metricValue: 0 }] });
    await pod.close();
    const second = predict(weir).catch(() => 'cut');
    await until('the stream gets the next message', () => pushed.messages.length === 2);
    await weir.stop('SIGKILL');
    await second;
  });

  it('pushes true to a new stream at once if there is activity', async () => {
    const { replica, held, release } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, ...SCALER]);
    keda = new Keda(weir.scalerPort);
    const running = predict(weir);
    await until('it is in flight', () => held.length === 1);
    const pushed = keda.stream<{ result: boolean }>('StreamIsActive', { metric: 'concurrency' });
    await until('the stream gets a message', () => pushed.messages.length === 1);
    release();
    await running;
  });

  it('streams the metric specification at once, equal to the one of GetMetricSpec', async () => {
    const { replica } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, ...SCALER]);
    keda = new Keda(weir.scalerPort);
    const specs = keda.stream('StreamMetricSpec', { metric: 'concurrency' });
    await until('the stream gets a message', () => specs.messages.length === 1);
    expect(specs.messages[0]).toEqual(await keda.metricSpec({ metric: 'concurrency' }));
  });

  it('refuses invalid metadata with INVALID_ARGUMENT and a message in every call', async () => {
    const { replica } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, ...SCALER]);
    keda = new Keda(weir.scalerPort);
    const bad = { deployment: 'nope' };
    const refused = {
      code: status.INVALID_ARGUMENT,
      details: 'metadata deployment is "nope", must be local',
    };
    await expect(keda.isActive(bad)).rejects.toMatchObject(refused);
    await expect(keda.metricSpec(bad)).rejects.toMatchObject(refused);
    await expect(keda.metrics(bad, 'x')).rejects.toMatchObject(refused);
    for (const method of ['StreamIsActive', 'StreamMetricSpec'] as const) {
      const stream = keda.stream(method, bad);
      const problem = await until(`${method} ends`, () => stream.error());
      expect(problem).toMatchObject(refused);
    }
  });

  it('returns UNAVAILABLE after a restart of weir until the pods are counted', async () => {
    const { replica, release, held } = await heldReplica();
    const api = await new KubeApi().start();
    for (const name of ['a', 'b', 'c']) api.put(podObject({ name }));
    // A pending pod and a pod that is not ready count too. A pod that is being deleted does not.
    api.put(podObject({ name: 'd', isPending: true }));
    api.put(podObject({ name: 'e', ready: 'False', readySince: '2026-11-20T09:00:00Z' }));
    api.put(podObject({ name: 'f', isDeleting: true }));
    api.isHanging = true;
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--scale-max-replica=8',
      '--kubernetes-pods=selector',
      '--kubernetes-selector=app=llama',
      `--kubernetes-server=${api.url}`,
      `--kubernetes-credentials=${api.credentials}`,
      '--kubernetes-request-timeout=200ms',
      '--kubernetes-retry-delay-max=200ms',
      ...SCALER,
    ]);
    keda = new Keda(weir.scalerPort);
    const unknown = { code: status.UNAVAILABLE };
    await expect(keda.metrics({}, 'weir-replicas-local')).rejects.toMatchObject(unknown);
    await expect(keda.isActive()).rejects.toMatchObject(unknown);
    expect(await scaleOf(weir)).toMatchObject({ desired: null, current: null, reason: 'not_counted' });
    expect((await weir.page()).text).not.toContain('weir_replicas_desired{');
    // Activity is pushed even before the pods are counted.
    const pushed = keda.stream<{ result: boolean }>('StreamIsActive');
    const running = predict(weir);
    await until('the stream gets a message', () => pushed.messages.length === 1 && held.length === 1);
    release();
    await running;

    api.isHanging = false;
    await until('the pods are counted', async () => (await scaleOf(weir))['desired'] === 5);
    await weir.expectMetric('weir_replicas_desired{deployment_id="local"}', 5);
    expect(await keda.metrics({}, 'm')).toMatchObject({ metricValues: [{ metricValueFloat: 5 }] });
    await weir.stop('SIGKILL');
    await api.stop();
  });

  it('ends its streams as soon as a shutdown begins', async () => {
    const { replica, held, release } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, ...SCALER]);
    keda = new Keda(weir.scalerPort);
    const stream = keda.stream('StreamIsActive', { metric: 'concurrency' });
    const running = predict(weir);
    await until('it is in flight', () => held.length === 1 && stream.messages.length === 1);
    const ended = weir.stop();
    await until('the stream has ended', () => stream.hasEnded());
    expect(stream.error()).toBeUndefined();
    expect(held).toHaveLength(1);
    release();
    expect((await running).text).toBe('ok');
    expect(await ended).toBe(0);
  });

  it('returns the same values as /v1/scale and the metrics page under load', async () => {
    const replica = await startReplica((_, res) => void setTimeout(() => res.end('ok'), 20));
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--scale-max-replica=50',
      '--scale-autoscaling-window=10s',
      '--scale-scale-down-delay=0',
      ...SCALER,
    ]);
    keda = new Keda(weir.scalerPort);
    const over = new AbortController();
    const load = Array.from({ length: 30 }, async () => {
      while (!over.signal.aborted) await predict(weir);
    });
    const byMean = { metric: 'concurrency' };
    const seen = new Set<number>();
    await until(
      'five decisions were compared',
      async () => {
        const before = await scaleOf(weir);
        const page = await weir.page();
        const values = await Promise.all([keda!.metrics({}, 'm'), keda!.metrics(byMean, 'm')]);
        const after = await scaleOf(weir);
        // A decision was made in between, so the values may differ.
        if (JSON.stringify(before) !== JSON.stringify(after)) return false;
        const [desired, mean] = values.map(
          (one) =>
            (one as { metricValues: { metricValueFloat: number }[] }).metricValues[0]!.metricValueFloat,
        );
        expect(desired).toBe(before['desired']);
        expect(mean).toBe(before['mean_in_flight']);
        expect(page.value('weir_replicas_desired{deployment_id="local"}')).toBe(desired);
        expect(page.value('weir_in_flight_mean{deployment_id="local"}')).toBe(mean);
        return seen.add(mean!).size >= 5;
      },
      20_000,
    );
    over.abort();
    await Promise.all(load);
  });

  it('serves health checks, and names the setting when its port is in use', async () => {
    const { replica } = await heldReplica();
    const weir = await startWeir(['--replica', replica.url, ...SCALER]);
    keda = new Keda(weir.scalerPort);
    for (const service of ['', 'externalscaler.ExternalScaler'])
      expect(await keda.check(service)).toEqual({ status: 'SERVING' });
    await expect(keda.check('other')).rejects.toMatchObject({ code: status.NOT_FOUND });
    const second = await runWeir([
      'serve',
      '--replica',
      replica.url,
      '--listen=127.0.0.1:0',
      '--admin=127.0.0.1:0',
      '--scale-keda',
      `--scaler=127.0.0.1:${weir.scalerPort}`,
    ]);
    expect(second.code).not.toBe(0);
    expect(second.err).toMatch(/choose another address with --scaler/);
  });
});
