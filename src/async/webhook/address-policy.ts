// Which addresses a webhook may be sent to: public addresses, and networks that the settings allow.
// Invariant: an address is checked in the form that the packet reaches: ::ffff:10.0.0.1 is checked as 10.0.0.1.
// Addresses that are not public: IANA's special-purpose registries (RFC 6890).
import { BlockList, isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isLoopback } from '../../core/loopback.ts';

/** The first match counts, so a narrower network stands above a wider one. */
const SPECIAL: readonly (readonly [network: string, what: string])[] = [
  ['0.0.0.0/8', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'carrier-grade NAT'],
  ['127.0.0.0/8', 'loopback'],
  // Azure: agents of a virtual machine get certificates and settings from this address.
  ['168.63.129.16/32', 'cloud platform'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['fc00::/7', 'private'],
  ['fec0::/10', 'private'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
  // Teredo and others: tunnels and protocols, not hosts.
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'documentation'],
  ['3fff::/20', 'documentation'],
];

const special = SPECIAL.map(([network, what]) => ({ what, list: listOf([network]) }));
const globalUnicast = listOf(['2000::/3']);
const unspecified = listOf(['0.0.0.0/8', '::/128']);

/** True for a valid network of the settings: `10.0.0.0/8`, `fd00::/8` or `localhost`. */
export function isNetwork(text: string): boolean {
  if (text === 'localhost') return true;
  const [address = '', bits = '', ...rest] = text.split('/');
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!;
  return rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= longest && !address.includes('%');
}

/** Two lists, since in one list an IPv6 network such as ::/0 would contain all IPv4 addresses. */
interface Networks {
  readonly v4: BlockList;
  readonly v6: BlockList;
}

function listOf(networks: readonly string[]): Networks {
  const list = { v4: new BlockList(), v6: new BlockList() };
  for (const network of networks.flatMap((n) => (n === 'localhost' ? ['127.0.0.0/8', '::1/128'] : [n]))) {
    const [address, bits] = network.split('/') as [string, string];
    if (isIPv4(address)) list.v4.addSubnet(address, Number(bits), 'ipv4');
    else list.v6.addSubnet(address, Number(bits), 'ipv6');
  }
  return list;
}

const has = ({ v4, v6 }: Networks, address: string): boolean =>
  isIPv4(address) ? v4.check(address, 'ipv4') : v6.check(address, 'ipv6');

/** Decides which addresses may be called. */
export class AddressPolicy {
  /** True if this machine may be called, except weir itself. */
  readonly isLoopbackAllowed: boolean;
  readonly #allowed: Networks;

  /** `allowed`: networks that may be called although they are not public. */
  constructor(allowed: readonly string[]) {
    this.#allowed = listOf(allowed);
    this.isLoopbackAllowed = has(this.#allowed, '127.0.0.1') || has(this.#allowed, '::1');
  }

  /** Kind of an address that must not be called, such as `private`; '' if it may be called. */
  refusal(address: string): string {
    if (isIP(address) === 0) return 'malformed';
    const plain = canonical(address);
    return has(this.#allowed, plain) ? '' : specialKind(plain);
  }
}

/** Kind of an address that is not public; '' for a public one. */
function specialKind(address: string): string {
  const what = special.find(({ list }) => has(list, address))?.what;
  if (what !== undefined || isIPv4(address)) return what ?? '';
  const inside = embeddedIPv4(address);
  if (inside !== undefined) return specialKind(inside);
  return has(globalUnicast, address) ? '' : 'reserved';
}

/** True if a connection to this address ends on this machine. */
export function isThisMachine(address: string): boolean {
  const plain = canonical(address);
  // A connection to 0.0.0.0 reaches this machine.
  if (isLoopback(plain) || has(unspecified, plain)) return true;
  return Object.values(networkInterfaces()).some((own) =>
    own?.some((one) => canonical(one.address) === plain),
  );
}

/** Canonical form of an address: IPv4 where the kernel uses IPv4, without a zone. */
function canonical(address: string): string {
  if (isIPv4(address)) return address;
  const groups = groupsOf(address);
  return groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
    ? dotted(groups[6]!, groups[7]!)
    : groups.map((group) => group.toString(16)).join(':');
}

/** IPv4 address inside an IPv6 address of NAT64 (RFC 6052) or 6to4 (RFC 3056). */
function embeddedIPv4(address: string): string | undefined {
  const [a, b, c, d, e, f, g, h] = groupsOf(address) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (a === 0x64 && b === 0xff9b && (c | d | e | f) === 0) return dotted(g, h);
  return a === 0x2002 ? dotted(b, c) : undefined;
}

const dotted = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser converts a dotted end to hexadecimal groups.
  const { hostname } = new URL(`http://[${address.replace(/%.*/s, '')}]`);
  const [left = [], right] = hostname
    .slice(1, -1)
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':').map((group) => Number.parseInt(group, 16))));
  return right === undefined
    ? left
    : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}
