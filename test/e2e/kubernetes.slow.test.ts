// Pod counts from a Kubernetes API server, with the real binary.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubeApi } from '../kit/kube-api.ts';
import { podObject } from '../kit/pod.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Line, type Weir } from '../kit/weir.ts';

const RESTARTS = 'baseten_container_restarts_total';
const ACTIVE = 'baseten_replicas_active';
const STARTING = 'baseten_replicas_starting';
const readiness = (condition: string) => `baseten_pod_readiness{condition="${condition}"}`;

let api: KubeApi;
beforeEach(async () => {
  api = await new KubeApi().start();
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
  await api.stop();
});

async function start(...args: string[]): Promise<Weir> {
  const replica = await startReplica((_, res) => res.end('ok'));
  return startWeir([
    '--replica',
    replica.url,
    `--kubernetes-server=${api.url}`,
    `--kubernetes-credentials=${api.credentials}`,
    '--kubernetes-retry-delay-max=200ms',
    ...args,
  ]);
}
const startSelector = (...args: string[]) =>
  start('--kubernetes-pods=selector', '--kubernetes-selector=app=llama', ...args);

/** Stops a weir and returns all its warnings. All of its lines have been read then. */
async function warnings(weir: Weir): Promise<Line[]> {
  await weir.stop();
  await weir.expectLine('its end', ({ event }) => event === 'stopped');
  return weir.lines.filter(({ event }) => event === 'pods cannot be watched');
}
const isWatched = (weir: Weir) => weir.expectLine('the watch', ({ event }) => event === 'pods are watched');

describe('pods by a selector', () => {
  it('are counted by state, with the contract’s labels, while they are added, changed and deleted', async () => {
    api.put(podObject({ name: 'a', restarts: 2 }));
    api.put(podObject({ name: 'b', isPending: true }));
    api.put(podObject({ name: 'other', labels: { app: 'gemma' }, restarts: 50 }));
    const weir = await startSelector();
    await weir.expectMetric(RESTARTS, 2);
    const common =
      'model_id="local",model_name="local",deployment_id="local",environment="production",rollout_phase="stable"';
    expect((await weir.page()).text).toContain(`\n${RESTARTS}{${common}} 2\n`);
    await weir.expectMetric(ACTIVE, 1);
    await weir.expectMetric(STARTING, 1);
    await weir.expectMetric(readiness('true'), 1);
    await weir.expectMetric(readiness('unknown'), 1);

    await isWatched(weir);
    api.put(podObject({ name: 'b' }));
    await weir.expectMetric(ACTIVE, 2);
    await weir.expectMetric(readiness('unknown'), 0);
    api.put(podObject({ name: 'b', ready: 'False', readySince: '2026-11-20T09:00:00Z' }));
    await weir.expectMetric(readiness('false'), 1);
    await weir.expectMetric(STARTING, 0);
    api.put(podObject({ name: 'b', restarts: 1 }));
    await weir.expectMetric(RESTARTS, 3);

    // Replaced: the restarts of the old one still count.
    api.put(podObject({ name: 'a', restarts: 2, isDeleting: true }));
    await weir.expectMetric(ACTIVE, 1);
    api.put(podObject({ name: 'c', isPending: true }));
    api.remove('a');
    await weir.expectMetric(STARTING, 1);
    await weir.expectMetric(readiness('true'), 1);
    await weir.expectMetric(RESTARTS, 3);
    expect(api.lists).toBe(1);
  });

  it('are watched again after the connection is cut, without a missed event or a new list', async () => {
    api.put(podObject({ name: 'a' }));
    const weir = await startSelector();
    await isWatched(weir);
    api.dropWatches();
    api.put(podObject({ name: 'a', restarts: 1 }));
    await weir.expectMetric(RESTARTS, 1);
    await until('it watches again', () => api.openWatches === 1);
    expect(api.lists).toBe(1);
    expect(await warnings(weir)).toEqual([]);
  });

  it('are listed again after 410 Gone, in the stream or as the response', async () => {
    api.put(podObject({ name: 'a' }));
    const weir = await startSelector();
    await isWatched(weir);
    api.putWithoutEvent(podObject({ name: 'a', restarts: 4 }));
    api.oldestVersion = 1002;
    api.dropWatches();
    await weir.expectMetric(RESTARTS, 4);
    await until('it watches again', () => api.openWatches === 1);
    expect(api.lists).toBe(2);

    api.putWithoutEvent(podObject({ name: 'a', restarts: 5 }));
    api.refuse = { watch: 410 };
    api.dropWatches();
    await weir.expectMetric(RESTARTS, 5);
    api.refuse = {};
    await until('it watches again', () => api.openWatches === 1);
    expect(await warnings(weir)).toEqual([]);
  });

  it('ignore lines that are not events', async () => {
    api.put(podObject({ name: 'a' }));
    const weir = await startSelector();
    await isWatched(weir);
    for (const line of [
      '{"type":"ADDED"',
      'null',
      '[]',
      '{}',
      '{"type":"ADDED","object":null}',
      '{"type":"X"}',
    ])
      api.sendRaw(line);
    api.sendRaw('{"type":"MODIFIED","object":{"metadata":{"uid":7},"status":"?"}}');
    api.put(podObject({ name: 'a', restarts: 1 }));
    await weir.expectMetric(RESTARTS, 1);
  });
});

describe('weir’s own pod', () => {
  it('is found by the host name, or by a setting', async () => {
    api.put(podObject({ name: 'mine', restarts: 1 }));
    api.put(podObject({ name: 'neighbour', restarts: 10 }));
    const weir = await start('--kubernetes-pods=own', '--kubernetes-pod-name=mine');
    await weir.expectMetric(RESTARTS, 1);
    await weir.expectMetric(ACTIVE, 1);
    expect(decodeURIComponent(api.lastUrl)).toContain('fieldSelector=metadata.name=mine');
  });
});

describe('an API server that fails', () => {
  it('does not delay weir: replicas are counted by probes until it is up', async () => {
    await api.stop();
    const weir = await startSelector();
    await weir.expectMetric(ACTIVE, 1);
    await weir.expectMetric(readiness('true'), 1);
    expect((await weir.page()).value(RESTARTS)).toBeUndefined();
    await weir.expectLine('the warning', ({ event }) => event === 'pods cannot be watched');
    api.put(podObject({ name: 'a', restarts: 3 }));
    api.put(podObject({ name: 'b' }));
    await api.start();
    await weir.expectMetric(RESTARTS, 3);
    await weir.expectMetric(ACTIVE, 2);
    expect(await warnings(weir)).toHaveLength(1);
  });

  it('is asked again after it did not respond', async () => {
    api.put(podObject({ name: 'a', restarts: 3 }));
    api.isHanging = true;
    const weir = await startSelector('--kubernetes-request-timeout=200ms');
    await until('it has asked twice', () => api.lists >= 2);
    api.isHanging = false;
    await weir.expectMetric(RESTARTS, 3);
    expect(await warnings(weir)).toMatchObject([
      { problem: 'no response from the API server within kubernetes.request_timeout' },
    ]);
  });

  it('is not used if it rejects the token or has another certificate', async () => {
    api.put(podObject({ name: 'a', restarts: 3 }));
    writeFileSync(join(api.credentials, 'token'), 'wrong token');
    const weir = await startSelector();
    await weir.expectLine('the warning', ({ problem }) => problem === 'the API server returned 401');
    writeFileSync(join(api.credentials, 'ca.crt'), rootCertificates[0]!);
    const stranger = await startSelector();
    const { problem } = await stranger.expectLine(
      'a warning',
      ({ event }) => event === 'pods cannot be watched',
    );
    expect(problem).toMatch(/certificate/);
    await weir.expectMetric(ACTIVE, 1);
  });

  it('is reported once and asked again if it forbids the list', async () => {
    api.put(podObject({ name: 'a', restarts: 3 }));
    api.refuse = { list: 403 };
    const weir = await startSelector();
    await until('it has asked three times', () => api.lists >= 3);
    await weir.expectMetric(ACTIVE, 1);
    api.refuse = {};
    await weir.expectMetric(RESTARTS, 3);
    expect(await warnings(weir)).toMatchObject([{ problem: 'the API server returned 403' }]);
  });

  it('is reported once and listed repeatedly if it forbids only the watch', async () => {
    api.put(podObject({ name: 'a', restarts: 3 }));
    api.refuse = { watch: 403 };
    const weir = await startSelector();
    await weir.expectMetric(RESTARTS, 3);
    api.putWithoutEvent(podObject({ name: 'a', restarts: 4 }));
    await weir.expectMetric(RESTARTS, 4);
    expect(await warnings(weir)).toMatchObject([{ problem: 'the API server returned 403' }]);
  });

  it('is asked again after a response that is not a list', async () => {
    api.put(podObject({ name: 'a', restarts: 3 }));
    for (const garbage of ['<html>maintenance</html>', '{"kind":"PodList","items":"none"}', '[]', '']) {
      api.garbage = garbage;
      const before = api.lists;
      const weir = await startSelector();
      await until('it has asked twice', () => api.lists >= before + 2);
      expect((await weir.page()).value(RESTARTS)).toBeUndefined();
      api.garbage = undefined;
      await weir.expectMetric(RESTARTS, 3);
      expect(await warnings(weir)).toHaveLength(1);
    }
  });

  it('is not used after max_age: replicas are counted by probes, and there are no restarts', async () => {
    api.put(podObject({ name: 'a', restarts: 3, ready: 'False', readySince: '2026-11-20T08:00:01Z' }));
    const weir = await startSelector('--kubernetes-max-age=300ms');
    await weir.expectMetric(ACTIVE, 0);
    await api.stop();
    await weir.expectMetric(ACTIVE, 1);
    expect((await weir.page()).value(RESTARTS)).toBeUndefined();
    await api.start();
    await weir.expectMetric(ACTIVE, 0);
    await weir.expectMetric(RESTARTS, 3);
  });

  it('is reported as missing outside of a cluster', async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    const weir = await startWeir(['--replica', replica.url, '--kubernetes-pods=own'], {
      env: { KUBERNETES_SERVICE_HOST: '', KUBERNETES_SERVICE_PORT: '' },
    });
    const { problem } = await weir.expectLine(
      'the warning',
      ({ event }) => event === 'pods cannot be watched',
    );
    expect(problem).toContain('set kubernetes.server');
    await weir.expectMetric(ACTIVE, 1);
  });

  it('does not delay the end of weir', async () => {
    const weir = await startSelector();
    await isWatched(weir);
    expect(await weir.stop()).toBe(0);
    await until('the watch is closed', () => api.openWatches === 0);
  });
});

it('rejects a configuration without a selector or with an unknown deployment', async () => {
  const { code, err } = await runWeir([
    'check',
    '--replica=http://127.0.0.1:1',
    '--kubernetes-pods=selector',
    '--kubernetes-deployment=nope',
  ]);
  expect(code).toBe(2);
  expect(err).toContain('kubernetes.selector is empty');
  expect(err).toContain('unknown deployment "nope"; known deployments: local');
});
