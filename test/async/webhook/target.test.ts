// Tests of which URLs and addresses webhooks may be sent to, in all their forms.
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNetwork, AddressPolicy } from '../../../src/async/webhook/address-policy.ts';
import {
  readTarget,
  resolveTarget,
  type WebhookRules,
  type WebhookTarget,
} from '../../../src/async/webhook/target.ts';

const rules = (allowed: readonly string[] = [], ports: readonly number[] = []): WebhookRules => ({
  policy: new AddressPolicy(allowed),
  ownPorts: () => ports,
});
const problemOf = (url: string, within = rules()): string => {
  const target = readTarget(url, within);
  return typeof target === 'string' ? target : '';
};
const targetOf = (url: string, within: WebhookRules): WebhookTarget => {
  const target = readTarget(url, within);
  if (typeof target === 'string') throw new Error(target);
  return target;
};
/** Resolves a name to these addresses. */
const resolved = (url: string, addresses: readonly string[], within = rules()) =>
  resolveTarget(targetOf(url, within), within, () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
  );

/** Addresses and their kind. */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['0.0.0.0', 'unspecified'],
  ['0.1.2.3', 'unspecified'],
  ['10.0.0.1', 'private'],
  ['100.64.0.1', 'carrier-grade NAT'],
  ['100.100.100.200', 'carrier-grade NAT'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['168.63.129.16', 'cloud platform'],
  ['169.254.169.254', 'link-local'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.0.0.192', 'reserved'],
  ['192.0.2.1', 'documentation'],
  ['192.168.1.1', 'private'],
  ['198.18.0.1', 'benchmarking'],
  ['198.19.255.255', 'benchmarking'],
  ['198.51.100.1', 'documentation'],
  ['203.0.113.1', 'documentation'],
  ['224.0.0.1', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['fc00::1', 'private'],
  ['fd00:ec2::254', 'private'],
  ['fe80::1', 'link-local'],
  ['fec0::1', 'private'],
  ['ff02::1', 'multicast'],
  ['2001::1', 'reserved'],
  ['2001:db8::1', 'documentation'],
  ['3fff::1', 'documentation'],
  ['100::1', 'reserved'],
  ['5f00::1', 'reserved'],
  // IPv4 in other clothes: mapped, compatible, SIIT, NAT64, local NAT64, 6to4.
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:a9fe:a9fe', 'link-local'],
  ['0:0:0:0:0:ffff:0a00:0001', 'private'],
  ['::127.0.0.1', 'reserved'],
  ['::8.8.8.8', 'reserved'],
  ['::ffff:0:8.8.8.8', 'reserved'],
  ['64:ff9b::10.0.0.1', 'private'],
  ['64:ff9b::a9fe:a9fe', 'link-local'],
  ['64:ff9b:1::808:808', 'reserved'],
  ['2002:7f00:1::', 'loopback'],
  ['2002:c0a8:101::1', 'private'],
];

const ALLOWED = [
  '1.1.1.1',
  '8.8.8.8',
  '100.63.255.255',
  '100.128.0.1',
  '172.15.255.255',
  '172.32.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
  '2002:808:808::1',
  '2606:4700:4700::1111',
];

const inUrl = (address: string) => `https://${address.includes(':') ? `[${address}]` : address}/hook`;

describe('AddressPolicy', () => {
  it.each(FORBIDDEN)('forbids %s, which is %s', async (address, what) => {
    expect(problemOf(inUrl(address))).toMatch(new RegExp(`^must not lead to .*, a ${what} address$`));
    expect(await resolved('https://hooks.example/', [address])).toEqual({
      problem: `must not lead to ${address}, a ${what} address`,
      isForbidden: true,
    });
  });

  it.each(ALLOWED)('allows %s', async (address) => {
    expect(problemOf(inUrl(address))).toBe('');
    expect(await resolved('https://hooks.example/', [address])).toMatchObject({ addresses: [{ address }] });
  });

  it('treats all forms of an address alike', () => {
    const policy = new AddressPolicy([]);
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
        const dotted = bytes.join('.');
        const [high, low] = [bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]].map((n) => n.toString(16));
        const forms = [
          `::ffff:${dotted}`,
          `0:0::FFFF:${high}:${low}`,
          `64:ff9b::${dotted}`,
          `2002:${high}:${low}::1`,
        ];
        for (const form of forms) expect(policy.refusal(form), form).toBe(policy.refusal(dotted));
      }),
    );
  });

  it('forbids IPv6 outside of 2000::/3, except for embedded IPv4', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const isOpen = new AddressPolicy([]).refusal(address) === '';
        if (isOpen)
          expect(new URL(`http://[${address}]`).hostname).toMatch(/^\[([23][0-9a-f]{3}|64:ff9b:|::ffff):/);
      }),
    );
  });

  it('ignores the zone of an address: fe80::1%eth0 is link-local', () => {
    expect(new AddressPolicy([]).refusal('fe80::1%eth0')).toBe('link-local');
    expect(new AddressPolicy([]).refusal('::1%8.8.8.8')).toBe('loopback');
  });

  it.each(['', 'localhost', '1.2.3', '1.2.3.4.5', ':::'])('forbids %j, which is not an address', (text) =>
    expect(new AddressPolicy(['0.0.0.0/0', '::/0']).refusal(text)).toBe('malformed'),
  );
});

describe('readTarget', () => {
  it.each([
    ['https://2130706433/', '127.0.0.1'],
    ['https://0x7f.1/', '127.0.0.1'],
    ['https://017700000001/', '127.0.0.1'],
    ['https://127.1/', '127.0.0.1'],
    ['https://127.0.0.1./', '127.0.0.1'],
    ['https://0xA9FEA9FE/', '169.254.169.254'],
    ['https://１２７.0.0.1/', '127.0.0.1'],
    ['https://0/', '0.0.0.0'],
    ['https://%31%30.0.0.1/', '10.0.0.1'],
    ['https:10.0.0.1', '10.0.0.1'],
    ['https:///10.0.0.1', '10.0.0.1'],
    ['https://localhost/', 'localhost'],
    ['https://LOCALHOST./', 'localhost.'],
    ['https://ⓛocalhost/', 'localhost'],
    ['https://a.localhost/', 'a.localhost'],
  ])('reads %s as host %s', (url, host) => expect(problemOf(url)).toContain(`must not lead to ${host}`));

  it.each([
    ['http://example.com/', 'must begin with https://'],
    ['http://8.8.8.8/', 'must begin with https://'],
    ['http://127.0.0.1/', 'must begin with https://'],
    ['ftp://example.com/', 'must begin with https://'],
    ['file:///etc/passwd', 'must be a URL such as https://example.com/webhook'],
    ['data:,x', 'must be a URL such as https://example.com/webhook'],
    ['', 'must be a URL such as https://example.com/webhook'],
    ['example.com', 'must be a URL such as https://example.com/webhook'],
    ['/webhook', 'must be a URL such as https://example.com/webhook'],
    ['https://', 'must be a URL such as https://example.com/webhook'],
    ['https://256.1.1.1/', 'must be a URL such as https://example.com/webhook'],
    ['https://[fe80::1%25eth0]/', 'must be a URL such as https://example.com/webhook'],
    ['https://example.com:99999/', 'must be a URL such as https://example.com/webhook'],
    [' https://example.com/', 'must be a URL such as https://example.com/webhook'],
    ['https://exam\nple.com/', 'must be a URL such as https://example.com/webhook'],
    ['https:\\\\example.com', 'must be a URL such as https://example.com/webhook'],
    ['https://example.com:0/', 'must not have port 0'],
    ['https://user@example.com/', 'must not contain a user name or password'],
    ['https://:pass@example.com/', 'must not contain a user name or password'],
    [`https://example.com/${'a'.repeat(2029)}`, 'must not be longer than 2048 characters'],
  ])('rejects %j', (url, problem) => expect(problemOf(url)).toBe(problem));

  it.each([
    'https://example.com/webhook?a=b#c',
    'https://example.com:8443',
    'HTTPS://EXAMPLE.COM./',
    'https://例え.jp/',
    `https://example.com/${'a'.repeat(2028)}`,
  ])('accepts %s', (url) => expect(problemOf(url)).toBe(''));
});

describe('webhook.allow_networks', () => {
  const near = rules(['localhost']);

  it.each([
    'http://localhost:1/',
    'http://127.9.9.9/',
    'http://[::1]/',
    'https://a.localhost/',
    'http://[::ffff:7f00:1]/',
  ])('allows %s for localhost', (url) => expect(problemOf(url, near)).toBe(''));

  it('allows only this machine for localhost', () => {
    expect(problemOf('https://10.0.0.1/', near)).toContain('private');
    expect(problemOf('http://example.com/', near)).toBe('must begin with https://');
    expect(problemOf('https://0.0.0.0/', near)).toContain('unspecified');
  });

  it('forbids http to a localhost that resolves to another machine', async () => {
    expect(await resolved('http://localhost/', ['127.0.0.1', '8.8.8.8'], near)).toEqual({
      problem: 'must begin with https://',
      isForbidden: true,
    });
  });

  it('allows a network in plain and IPv4-mapped form, but not through NAT64', () => {
    const within = rules(['10.1.0.0/16', 'fd00::/8']);
    for (const url of ['https://10.1.2.3/', 'https://[::ffff:10.1.2.3]/', 'https://[fd00::1]/'])
      expect(problemOf(url, within)).toBe('');
    for (const url of ['https://10.2.0.1/', 'https://[64:ff9b::10.1.2.3]/', 'https://[fc00::1]/'])
      expect(problemOf(url, within)).toContain('private');
    expect(problemOf('http://10.1.2.3/', within)).toBe('must begin with https://');
  });

  it('keeps IPv4 and IPv6 networks apart', () => {
    expect(problemOf('https://10.0.0.1/', rules(['::/0']))).toContain('private');
    expect(problemOf('https://[fd00::1]/', rules(['0.0.0.0/0']))).toContain('private');
  });

  it('accepts networks and localhost only', () => {
    for (const good of ['localhost', '10.0.0.0/8', '10.1.2.3/32', 'fd00::/8', '::/0'])
      expect(isNetwork(good)).toBe(true);
    for (const bad of [
      '',
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0/8',
      'fd00::/129',
      'fe80::%1/64',
      'example.com/8',
      '10.0.0.0/8/8',
      '10.0.0.0/',
    ])
      expect(isNetwork(bad), bad).toBe(false);
  });
});

describe('ports of weir', () => {
  const own = rules(['0.0.0.0/0', '::/0'], [9464, 443]);
  const outer = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .map(({ address }) => `https://${address}:9464/`);

  it.each([
    'http://localhost:9464/',
    'http://127.0.0.1:9464/metrics',
    'http://[::1]:9464/',
    'http://[::ffff:127.0.0.1]:9464/',
    'https://0.0.0.0:9464/',
    'https://[::]:9464/',
    'https://127.8.8.8/',
    ...outer,
  ])('forbids %s, whatever the settings allow', (url) =>
    expect(problemOf(url, own)).toBe('must not lead to weir itself'),
  );

  it('forbids another name of this machine', async () => {
    expect(await resolved('https://hooks.example/', ['127.0.0.1'], own)).toEqual({
      problem: 'must not lead to weir itself',
      isForbidden: true,
    });
  });

  it('allows the same port elsewhere, and other ports here', () => {
    expect(problemOf('https://8.8.8.8:9464/', own)).toBe('');
    expect(problemOf('http://127.0.0.1:9999/', own)).toBe('');
  });
});

describe('resolveTarget', () => {
  it('rejects a name if one of its addresses is forbidden', async () => {
    for (const bad of ['10.0.0.1', '::1', '::ffff:169.254.169.254'])
      for (const addresses of [
        [bad, '8.8.8.8'],
        ['8.8.8.8', '2606:4700::1', bad],
      ])
        expect(await resolved('https://hooks.example/', addresses)).toMatchObject({ isForbidden: true });
  });

  it('resolves a name once and returns those addresses', async () => {
    let lookups = 0;
    const rebinding = () => {
      lookups += 1;
      return Promise.resolve([{ address: lookups === 1 ? '8.8.8.8' : '127.0.0.1', family: 4 }]);
    };
    const current = rules();
    const target = targetOf('https://hooks.example/', current);
    expect(await resolveTarget(target, current, rebinding)).toEqual({
      addresses: [{ address: '8.8.8.8', family: 4 }],
    });
    expect(lookups).toBe(1);
  });

  it('reports a name without an address as retryable', async () => {
    expect(await resolved('https://hooks.example/', [])).toEqual({
      problem: 'hooks.example has no address',
      isForbidden: false,
    });
    const current = rules();
    const failing = () => Promise.reject(new Error('getaddrinfo EAI_AGAIN hooks.example'));
    expect(await resolveTarget(targetOf('https://hooks.example/', current), current, failing)).toEqual({
      problem: 'getaddrinfo EAI_AGAIN hooks.example',
      isForbidden: false,
    });
  });
});
