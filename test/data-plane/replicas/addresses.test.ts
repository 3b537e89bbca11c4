// The addresses of a host name: when they are looked up, and how answers are applied.
import { afterEach, describe, expect, it } from 'vitest';
import { load } from '../../../src/config/config.ts';
import {
  Addresses,
  expand,
  isResolved,
  MAX_ADDRESSES,
  type AddressChange,
} from '../../../src/data-plane/replicas/addresses.ts';
import type { DeploymentOptions } from '../../../src/data-plane/replicas/options.ts';
import { until } from '../../kit/until.ts';

const followed = new Set<Addresses>();
afterEach(() => {
  for (const one of followed) one.stop();
  followed.clear();
});

type Answer = readonly string[] | Error;

/** Addresses with a resolver that gives the answers of the test, and the recorded lookups and changes. */
function resolver(answers: Record<string, Answer>, times = { intervalMs: 20, timeoutMs: 1000 }) {
  const changes: AddressChange[] = [];
  const asked: string[] = [];
  const addresses = new Addresses(
    times,
    (name) => {
      asked.push(name);
      const answer = answers[name];
      if (answer === undefined) return new Promise(() => undefined);
      if (answer instanceof Error) return Promise.reject(answer);
      return Promise.resolve(answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
    },
    (change) => changes.push(change),
  );
  followed.add(addresses);
  return { addresses, answers, changes, asked };
}

describe('the addresses of a name', () => {
  it('are known when the name is followed, each once, sorted', async () => {
    const { addresses } = resolver({ 'model.test': ['10.0.0.10', '10.0.0.9', '10.0.0.10'] });
    await addresses.follow(['model.test']);
    expect(addresses.of('model.test')).toEqual(['10.0.0.9', '10.0.0.10']);
  });

  it('are looked up again, and changes are reported', async () => {
    const { addresses, answers, changes } = resolver({ 'model.test': ['10.0.0.1', '10.0.0.2'] });
    await addresses.follow(['model.test']);
    answers['model.test'] = ['10.0.0.3', '10.0.0.2'];
    await until('the change is told', () => changes.length === 2);
    expect(changes[1]).toEqual({
      host: 'model.test',
      addresses: ['10.0.0.2', '10.0.0.3'],
      added: ['10.0.0.3'],
      removed: ['10.0.0.1'],
      problem: '',
    });
  });

  it('stay while the resolver fails, which is reported once', async () => {
    const { addresses, answers, changes, asked } = resolver({ 'model.test': ['10.0.0.1', '10.0.0.2'] });
    await addresses.follow(['model.test']);
    answers['model.test'] = new Error('getaddrinfo EAI_AGAIN model.test');
    const before = asked.length;
    await until('it was asked several times', () => asked.length > before + 3);
    expect(addresses.of('model.test')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(changes.slice(1)).toEqual([
      {
        host: 'model.test',
        addresses: ['10.0.0.1', '10.0.0.2'],
        added: [],
        removed: [],
        problem: 'getaddrinfo EAI_AGAIN model.test; addresses that stay in use: 2',
      },
    ]);
    answers['model.test'] = ['10.0.0.1', '10.0.0.2'];
    await until('the end of the failure is reported', () => changes.at(-1)!.problem === '');
    expect(changes).toHaveLength(3);
  });

  it('are those of the family with more addresses, of IPv4 if the numbers are equal', async () => {
    const { addresses } = resolver({
      four: ['fd00::1', '10.0.0.1', 'fd00::2', '10.0.0.2'],
      six: ['fd00::2', '10.0.0.1', 'fd00::1'],
      only: ['fd00::1'],
    });
    await addresses.follow(['four', 'six', 'only']);
    expect(addresses.of('four')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(addresses.of('six')).toEqual(['fd00::1', 'fd00::2']);
    expect(addresses.of('only')).toEqual(['fd00::1']);
  });

  it('are chosen by the system if there is one of each family', async () => {
    const { addresses, changes } = resolver({ both: ['fd00::1', '10.0.0.1'] });
    await addresses.follow(['both']);
    expect(addresses.of('both')).toEqual([]);
    expect(changes).toEqual([]);
  });

  it('are limited in number, which is reported', async () => {
    const many = Array.from({ length: MAX_ADDRESSES + 5 }, (_, i) => `10.0.1.${i}`);
    const { addresses, changes } = resolver({ many });
    await addresses.follow(['many']);
    expect(addresses.of('many')).toEqual(many.slice(0, MAX_ADDRESSES));
    expect(changes[0]!.problem).toBe(
      `it has ${MAX_ADDRESSES + 5} addresses; the first ${MAX_ADDRESSES} are used`,
    );
  });

  it('are waited for in limited time, and applied when they come late', async () => {
    const times = { intervalMs: 20, timeoutMs: 30 };
    let answer: (found: { address: string; family: number }[]) => void = () => undefined;
    const late = new Addresses(
      times,
      () => new Promise((resolve) => (answer = resolve)),
      () => undefined,
    );
    followed.add(late);
    await late.follow(['slow.test']);
    expect(late.of('slow.test')).toEqual([]);
    answer([{ address: '10.0.0.1', family: 4 }]);
    await until('they are there', () => late.of('slow.test').length === 1);
  });

  it('are looked up one at a time, and soon when a replica cannot be reached', async () => {
    const { addresses, asked } = resolver(
      { 'a.test': ['10.0.0.1'] },
      { intervalMs: 3_600_000, timeoutMs: 50 },
    );
    await addresses.follow(['a.test', 'hangs.test']);
    expect(asked).toEqual(['a.test', 'hangs.test']);
    for (let i = 0; i < 5; i++)
      for (const host of ['a.test', 'hangs.test', 'unknown']) addresses.askSoon(host);
    await until('it was asked again', () => asked.length > 2);
    expect(asked).toEqual(['a.test', 'hangs.test', 'a.test']);
  });

  it('are forgotten with the name', async () => {
    const { addresses, asked } = resolver({ 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.2'] });
    await addresses.follow(['a.test', 'b.test']);
    await addresses.follow(['b.test']);
    expect(addresses.of('a.test')).toEqual([]);
    const before = asked.length;
    await until('the other was asked again', () => asked.length > before + 2);
    expect(asked.slice(before)).not.toContain('a.test');
  });

  it('are not looked up with an interval of 0, nor for addresses and names of this machine', async () => {
    const off = resolver({ 'model.test': ['10.0.0.1'] }, { intervalMs: 0, timeoutMs: 1000 });
    await off.addresses.follow(['model.test']);
    const on = resolver({});
    await on.addresses.follow(['127.0.0.1', '::1', 'localhost', 'a.localhost']);
    expect([...off.asked, ...on.asked]).toEqual([]);
    expect(isResolved('model.test')).toBe(true);
  });
});

describe('the replicas of a host', () => {
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

  it('are one for each of its addresses, named after them; with one address the replica keeps its id', () => {
    const known: Record<string, string[]> = {
      a: ['10.0.0.1', '10.0.0.2'],
      b: ['10.0.0.3'],
      six: ['fd00::1', 'fd00::2'],
    };
    const deployment = options('http://a:1', 'http://b:2', 'http://127.0.0.1:3', 'http://c:4', 'https://six');
    const expanded = expand(deployment, (host) => known[host] ?? []);
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
