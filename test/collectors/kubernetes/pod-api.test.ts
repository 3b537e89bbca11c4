// Watches that end by themselves on a dropped connection.
import { afterEach, expect, it, vi } from 'vitest';
import { kubernetesOptions } from '../../../src/collectors/kubernetes/options.ts';
import { openPodApi } from '../../../src/collectors/kubernetes/pod-api.ts';
import { read } from '../../../src/core/read-settings.ts';
import { KubeApi } from '../../kit/kube-api.ts';
import { podObject } from '../../kit/pod.ts';
import { until } from '../../kit/until.ts';

const server = new KubeApi();
afterEach(async () => {
  vi.useRealTimers();
  await server.stop();
});

it('ends a watch after 30 s without data, without a failure, and closes its connection', async () => {
  await server.start();
  server.put(podObject({ name: 'a' }));
  const result = read(kubernetesOptions, {
    pods: 'selector',
    selector: 'app=llama',
    server: server.url,
    credentials: server.credentials,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const api = await openPodApi(result.settings);
  const list = await api.list();
  expect(list).toMatchObject({ items: [{ metadata: { name: 'a' } }], version: '1001' });

  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const events: string[] = [];
  let opened = (): void => undefined;
  const isOpen = new Promise<void>((resolve) => (opened = resolve));
  const ended = api.watch(
    '1001',
    { opened, event: (type) => events.push(type) },
    new AbortController().signal,
  );
  await isOpen;
  vi.advanceTimersByTime(31_000);
  expect(await ended).toBe('quiet');
  expect(events).toEqual([]);
  vi.useRealTimers();
  await until('the server sees it closed', () => server.openWatches === 0);
});
