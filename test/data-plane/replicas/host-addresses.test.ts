// Addresses of host names: when they are looked up, and how the results are applied.
import { afterEach, describe, expect, it } from 'vitest';
import { load } from '../../../src/config/config.ts';
import {
  expandHosts,
  HostAddresses,
  MAX_ADDRESSES,
  needsLookup,
  type AddressChange,
} from '../../../src/data-plane/replicas/host-addresses.ts';
import type { DeploymentOptions } from '../../../src/data-plane/replicas/options.ts';
import { until } from '../../kit/until.ts';

const created = new Set<HostAddresses>();
afterEach(() => {
  for (const one of created) one.stop();
  created.clear();
});

type LookupResult = readonly string[] | Error;

/** HostAddresses whose resolver returns the results of the test, and the recorded lookups and changes. */
function resolver(results: Record<string, LookupResult>, times = { intervalMs: 20, timeoutMs: 1000 }) {
  const changes: AddressChange[] = [];
  const lookups: string[] = [];
  const addresses = new HostAddresses(
    times,
    (name) => {
      lookups.push(name);
      const result = results[name];
      if (result === undefined) return new Promise(() => undefined);
      if (result instanceof Error) return Promise.reject(result);
      return Promise.resolve(result.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
    },
    (change) => changes.push(change),
  );
  created.add(addresses);
  return { addresses, results, changes, lookups };
}

describe('HostAddresses', () => {
  it('knows the addresses of a new host, without duplicates and sorted', async () => {
    const { addresses } = resolver({ 'model.test': ['10.0.0.10', '10.0.0.9', '10.0.0.10'] });
    await addresses.setHosts(['model.test']);
    expect(addresses.of('model.test')).toEqual(['10.0.0.9', '10.0.0.10']);
  });

  it('repeats lookups and reports changes', async () => {
    const { addresses, results, changes } = resolver({ 'model.test': ['10.0.0.1', '10.0.0.2'] });
    await addresses.setHosts(['model.test']);
    results['model.test'] = ['10.0.0.3', '10.0.0.2'];
    await until('the change is reported', () => changes.length === 2);
    expect(changes[1]).toEqual({
      host: 'model.test',
      addresses: ['10.0.0.2', '10.0.0.3'],
      added: ['10.0.0.3'],
      removed: ['10.0.0.1'],
      problem: '',
    });
  });

  it('keeps the addresses while lookups fail, and reports the failure once', async () => {
    const { addresses, results, changes, lookups } = resolver({ 'model.test': ['10.0.0.1', '10.0.0.2'] });
    await addresses.setHosts(['model.test']);
    results['model.test'] = new Error('getaddrinfo EAI_AGAIN model.test');
    const before = lookups.length;
    await until('it was looked up several times', () => lookups.length > before + 3);
    expect(addresses.of('model.test')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(changes.slice(1)).toEqual([
      {
        host: 'model.test',
        addresses: ['10.0.0.1', '10.0.0.2'],
        added: [],
        removed: [],
        problem: 'getaddrinfo EAI_AGAIN model.test; known addresses kept: 2',
      },
    ]);
    results['model.test'] = ['10.0.0.1', '10.0.0.2'];
    await until('the end of the failure is reported', () => changes.at(-1)!.problem === '');
    expect(changes).toHaveLength(3);
  });

  it('uses the family with more addresses, IPv4 if the numbers are equal', async () => {
    const { addresses } = resolver({
      four: ['fd00::1', '10.0.0.1', 'fd00::2', '10.0.0.2'],
      six: ['fd00::2', '10.0.0.1', 'fd00::1'],
      only: ['fd00::1'],
    });
    await addresses.setHosts(['four', 'six', 'only']);
    expect(addresses.of('four')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(addresses.of('six')).toEqual(['fd00::1', 'fd00::2']);
    expect(addresses.of('only')).toEqual(['fd00::1']);
  });

  it('leaves the choice to the system if each family has one address', async () => {
    const { addresses, changes } = resolver({ both: ['fd00::1', '10.0.0.1'] });
    await addresses.setHosts(['both']);
    expect(addresses.of('both')).toEqual([]);
    expect(changes).toEqual([]);
  });

  it('limits the number of addresses, and reports that', async () => {
    const many = Array.from({ length: MAX_ADDRESSES + 5 }, (_, i) => `10.0.1.${i}`);
    const { addresses, changes } = resolver({ many });
    await addresses.setHosts(['many']);
    expect(addresses.of('many')).toEqual(many.slice(0, MAX_ADDRESSES));
    expect(changes[0]!.problem).toBe(
      `${MAX_ADDRESSES + 5} addresses found, only the first ${MAX_ADDRESSES} are used`,
    );
  });

  it('waits a limited time for the first lookup, and applies a late result', async () => {
    const times = { intervalMs: 20, timeoutMs: 30 };
    let respond: (found: { address: string; family: number }[]) => void = () => undefined;
    const late = new HostAddresses(
      times,
      () => new Promise((resolve) => (respond = resolve)),
      () => undefined,
    );
    created.add(late);
    await late.setHosts(['slow.test']);
    expect(late.of('slow.test')).toEqual([]);
    respond([{ address: '10.0.0.1', family: 4 }]);
    await until('the addresses are known', () => late.of('slow.test').length === 1);
  });

  it('runs one lookup per name at a time, and an early one when a replica cannot be reached', async () => {
    const { addresses, lookups } = resolver(
      { 'a.test': ['10.0.0.1'] },
      { intervalMs: 3_600_000, timeoutMs: 50 },
    );
    await addresses.setHosts(['a.test', 'hangs.test']);
    expect(lookups).toEqual(['a.test', 'hangs.test']);
    for (let i = 0; i < 5; i++)
      for (const host of ['a.test', 'hangs.test', 'unknown']) addresses.lookUpSoon(host);
    await until('it was looked up again', () => lookups.length > 2);
    expect(lookups).toEqual(['a.test', 'hangs.test', 'a.test']);
  });

  it('forgets the addresses of a host that is removed', async () => {
    const { addresses, lookups } = resolver({ 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.2'] });
    await addresses.setHosts(['a.test', 'b.test']);
    await addresses.setHosts(['b.test']);
    expect(addresses.of('a.test')).toEqual([]);
    const before = lookups.length;
    await until('the other host was looked up again', () => lookups.length > before + 2);
    expect(lookups.slice(before)).not.toContain('a.test');
  });

  it('looks nothing up with an interval of 0, nor for IP addresses and names of this machine', async () => {
    const off = resolver({ 'model.test': ['10.0.0.1'] }, { intervalMs: 0, timeoutMs: 1000 });
    await off.addresses.setHosts(['model.test']);
    const on = resolver({});
    await on.addresses.setHosts(['127.0.0.1', '::1', 'localhost', 'a.localhost']);
    expect([...off.lookups, ...on.lookups]).toEqual([]);
    expect(needsLookup('model.test')).toBe(true);
  });
});

describe('expandHosts', () => {
  const options = (...urls: string[]): DeploymentOptions => {
    const loaded = load(
      urls.map((url) => `--replica=${url}`),
      {},
    );
    if (!loaded.ok) throw new Error(loaded.problems.join());
    return loaded.config.deployments[0]!;
  };
  const shown = (deployment: DeploymentOptions) =>
    deployment.replicas.map(({ id, url }) => `${id} ${url.host}`);

  it('makes one replica of each address, named after it, and keeps the id if there is only one address', () => {
    const known: Record<string, string[]> = {
      a: ['10.0.0.1', '10.0.0.2'],
      b: ['10.0.0.3'],
      six: ['fd00::1', 'fd00::2'],
    };
    const deployment = options('http://a:1', 'http://b:2', 'http://127.0.0.1:3', 'http://c:4', 'https://six');
    const expanded = expandHosts(deployment, (host) => known[host] ?? []);
    expect(shown(expanded)).toEqual([
      'r0-10.0.0.1 10.0.0.1',
      'r0-10.0.0.2 10.0.0.2',
      'r1 10.0.0.3',
      'r2 127.0.0.1',
      'r3 c',
      'r4-fd00--1 fd00::1',
      'r4-fd00--2 fd00::2',
    ]);
    expect(expanded.replicas[1]!.url).toEqual({
      protocol: 'http:',
      host: '10.0.0.2',
      name: 'a',
      authority: 'a:1',
      port: 1,
      href: 'http://a:1',
    });
    expect(expanded.replicas.at(-1)!.url.authority).toBe('six');
  });
});
