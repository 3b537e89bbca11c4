// What the overview says, without a browser: figures, replicas, links, times of its charts.
import { describe, expect, it } from 'vitest';
import { dataUrl } from '../../page/pages/overview/data-url.ts';
import { figuresOf } from '../../page/pages/overview/figure-facts.ts';
import {
  deploymentText,
  gpuSum,
  replicaGroups,
  stateCounts,
  whyOf,
} from '../../page/pages/overview/replica-facts.ts';
import {
  scaleSteps,
  stateMarks,
  trafficLabel,
  trafficTimes,
  worstScale,
} from '../../page/pages/overview/time-axis.ts';
import { verdictLinks } from '../../page/pages/overview/verdict-links.ts';
import { text } from '../../page/formats.ts';
import { AT_MS, CALM, FIRST_RUN, INCIDENT } from './fixtures/overview.ts';

const figure = (of: typeof CALM, label: string) => {
  const found = figuresOf(of).find((one) => one.label === label)!;
  return { ...found, value: text(found.value) };
};

describe('the seven figures', () => {
  it('have a colour only where a rule is broken', () => {
    const tones = (of: typeof CALM) => figuresOf(of).map(({ tone }) => tone);
    expect(tones(CALM)).toEqual(Array(7).fill('plain'));
    expect(tones(INCIDENT)).toEqual(['plain', 'err', 'plain', 'warn', 'warn', 'warn', 'plain']);
  });

  it('say what they were before', () => {
    expect(figure(CALM, 'Requests')).toMatchObject({ value: '41.7 /s', change: '+4 %' });
    expect(figure(INCIDENT, 'Errors')).toMatchObject({ value: '4.21 %', change: 'was 0.05 %' });
  });

  it('say how full the replicas are', () => {
    expect(figure(INCIDENT, 'In flight')).toMatchObject({
      value: '23 of 24',
      sub: '3 ready replicas × 8 · 96 % used',
    });
    expect(figure(FIRST_RUN, 'In flight')).toMatchObject({
      value: '0 of ∞',
      sub: '1 ready replica, no limit',
    });
  });

  it('are a dash, not 0, where nothing is known', () => {
    for (const label of ['Errors', 'Latency p95', 'Time to first token p95', 'Output'])
      expect(figure(FIRST_RUN, label).value, label).toBe('–');
  });

  it('say since when nothing was queued', () => {
    const points = Array.from({ length: 240 }, (_, i) => (i === 119 ? 2 : 0));
    const waiting = { now: 0, before: 0, points, longest_ms: null, refused: 0 };
    const quiet = { ...CALM, figures: { ...CALM.figures, waiting } };
    expect(figure(quiet, 'Queued').sub).toBe('none in the last 30 min');
    const known = { ...waiting, points: points.map((_, i) => (i < 200 ? null : 0)) };
    expect(figure({ ...CALM, figures: { ...CALM.figures, waiting: known } }, 'Queued').sub).toBe(
      'none in the last 10 min',
    );
  });

  it('count refused requests', () => {
    const waiting = { ...INCIDENT.figures.waiting, refused: 3 };
    expect(figure({ ...INCIDENT, figures: { ...INCIDENT.figures, waiting } }, 'Queued').sub).toBe(
      'longest 1.84 s · 3 refused',
    );
  });
});

describe('the table of replicas', () => {
  it('groups replicas by deployment, worst first', () => {
    const [first, ...others] = INCIDENT.replicas;
    const groups = replicaGroups({
      replicas: [{ ...first!, deployment: 'dep2' }, ...others],
      deployments: [...INCIDENT.deployments, { ...INCIDENT.deployments[0]!, id: 'empty' }],
    });
    expect(groups.map(({ id, replicas }) => [id, replicas.length])).toEqual([
      ['dep2', 1],
      ['dep1', 3],
      ['empty', 0],
    ]);
    expect(groups.map(deploymentText)).toEqual([
      'dep2',
      'dep1 · production · stable',
      'empty · production · stable',
    ]);
  });

  it('says why a replica takes no requests', () => {
    const [down, ready] = INCIDENT.replicas;
    expect(whyOf(down!, AT_MS)).toEqual({
      text: 'connection refused (10.0.4.12:8000), 4 s ago',
      isBad: true,
    });
    expect(whyOf({ ...ready!, failed: 0 }, AT_MS)).toEqual({
      text: '4 s ago: GET /health returned 200',
      isBad: false,
    });
    expect(whyOf({ ...ready!, failed: 1229 }, AT_MS).text).toMatch(/^1\D229 failed in 60 min; 4 s ago: GET/);
    expect(whyOf({ ...ready!, state: 'draining' }, AT_MS).text).toBe('gets no requests, 7 running');
    expect(whyOf({ ...ready!, probe: null }, AT_MS).text).toBe('not probed yet');
  });

  it('adds the GPUs of a replica', () => {
    const gpus = [
      { index: '0', used_mib: 100, total_mib: 1000, utilization: 10 },
      { index: '1', used_mib: 300, total_mib: 1000, utilization: 91 },
    ];
    expect(gpuSum(gpus)).toMatchObject({ utilization: 51, usedMib: 400, totalMib: 2000 });
    expect(gpuSum([{ ...gpus[0]!, used_mib: null }])).toMatchObject({ usedMib: null, totalMib: 1000 });
    expect(gpuSum([])).toMatchObject({ utilization: null, usedMib: null, totalMib: null });
  });

  it('counts states', () => {
    expect(stateCounts(INCIDENT.replicas)).toBe('1 down, 3 ready');
  });
});

describe('the links of the verdict', () => {
  it('lead to the requests that a broken replica failed, and to its log lines', () => {
    expect(verdictLinks(INCIDENT.verdict)).toEqual([
      {
        label: '31 requests',
        address: '/ui/logs?q=kind:request+replica:def34+level%3E=error',
      },
      { label: 'Last lines of def34', address: '/ui/logs?q=kind:line+replica:def34' },
    ]);
  });

  it('are left out while all is well', () => {
    const { parts } = INCIDENT.verdict;
    expect(verdictLinks({ ...CALM.verdict, parts: [...CALM.verdict.parts, parts.at(-1)!] })).toEqual([]);
  });
});

describe('the charts', () => {
  it('begin each bar at its minute', () => {
    const times = trafficTimes(INCIDENT.traffic);
    expect(times).toHaveLength(60);
    expect([times[0], times.at(-1)]).toEqual([AT_MS - 3_600_000, AT_MS - 60_000]);
    expect(trafficLabel(INCIDENT.traffic)).toContain('347 5xx');
  });

  it('mark when a replica went down, and not that all were ready at the start', () => {
    expect(stateMarks(INCIDENT)).toEqual([{ ms: AT_MS - 134_000, text: 'def34 down', color: 'err' }]);
    const started = { ...CALM.weir, started_ns: String(BigInt(AT_MS - 600_000) * 1_000_000n) };
    const replicas = CALM.replicas.map((one) => ({
      ...one,
      since_ns: String(BigInt(AT_MS - 599_000) * 1_000_000n),
    }));
    expect(stateMarks({ ...CALM, weir: started, replicas })).toEqual([]);
  });

  it('hold desired and active replicas from change to change', () => {
    const { times, desired, active } = scaleSteps(INCIDENT.scale[0]!, INCIDENT.at_ns);
    expect(times.map((ms) => (AT_MS - ms) / 1000)).toEqual([5400, 4200, 3960, 134, 100, 0]);
    expect(desired).toEqual([3, 4, 4, 4, 5, 5]);
    expect(active).toEqual([3, 3, 4, 3, 3, 3]);
  });

  it('show the deployment first that has other replicas than desired', () => {
    const fine = { ...CALM.scale[0]!, deployment: 'fine' };
    expect(worstScale([fine, INCIDENT.scale[0]!])?.deployment).toBe('dep1');
    expect(worstScale([])).toBeUndefined();
  });
});

describe('the address of the data server', () => {
  it('is that of the settings, under the name that the browser uses', () => {
    const url = (listen: string, cert = '') =>
      dataUrl(
        [
          { key: 'ingress.listen', value: listen },
          { key: 'ingress.tls.cert', value: cert },
        ],
        'gpu7',
      );
    expect(url('0.0.0.0:8080')).toBe('http://gpu7:8080');
    expect(url('[::]:8080', '/etc/cert.pem')).toBe('https://gpu7:8080');
    expect(url('10.0.0.3:81')).toBe('http://10.0.0.3:81');
    expect(url('127.0.0.1:0')).toBeUndefined();
    expect(url('unix:/run/weir.sock')).toBeUndefined();
    expect(dataUrl([], 'gpu7')).toBeUndefined();
  });
});
