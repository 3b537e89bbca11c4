// From the text of a URL to the addresses that a webhook is sent to, or to why it is not.
// Must stay true: a name is resolved once, every address of it is judged, and the connection goes to none but those.
// So nobody who may name a URL can have weir call into the network that it stands in.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { describe } from '../../core/errors.ts';
import { isThisMachine, isLoopback, type AddressPolicy } from './address-policy.ts';

const MAX_URL = 2048;

/** An address of a name, as `dns.lookup` gives it. */
export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

export type ResolveHost = (name: string) => Promise<readonly HostAddress[]>;

/** As any other program on this machine resolves names: hosts file, search domains and all. */
export const systemResolve: ResolveHost = (name) => lookup(name, { all: true });

/** Where a webhook may go, as far as its URL alone can tell. */
export interface WebhookTarget {
  readonly url: URL;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What may be called. */
export interface WebhookRules {
  readonly reach: AddressPolicy;
  /** Ports on which weir itself listens. */
  readonly ownPorts: () => readonly number[];
}

const isLocalName = (host: string): boolean => /(^|\.)localhost\.?$/.test(host);

/** Reads a URL; gives what is wrong with it as the end of a sentence: `must be https`. Asks nobody. */
export function readTarget(text: string, bounds: WebhookRules): WebhookTarget | string {
  if (text.length > MAX_URL) return `must not be longer than ${MAX_URL} characters`;
  // The parser takes these out, or for slashes: whoever writes them means another URL than we would call.
  const url = /[\s\\]/.test(text) ? null : URL.parse(text);
  if (url === null || url.hostname === '') return 'must be a URL such as https://example.com/webhook';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  // Nobody listens there: for a program, 0 stands for no port at all.
  if (port === 0) return 'must not have the port 0';
  const isLocal = isLocalName(host) || (isIP(host) !== 0 && isLoopback(host));
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal && bounds.reach.isLoopbackAllowed))
    return 'must begin with https://';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  if (isIP(host) !== 0) return refusalOf([host], port, bounds) || { url, host, port };
  if (!isLocal) return { url, host, port };
  if (!bounds.reach.isLoopbackAllowed) return `must not lead to ${host}`;
  return bounds.ownPorts().includes(port) ? 'must not lead to weir itself' : { url, host, port };
}

/** Why these addresses may not be called, all of them together; empty when they may. */
function refusalOf(addresses: readonly string[], port: number, { reach, ownPorts }: WebhookRules): string {
  for (const address of addresses) {
    const what = reach.refusal(address);
    if (what !== '') return `must not lead to ${address}, a ${what} address`;
    if (ownPorts().includes(port) && isThisMachine(address)) return 'must not lead to weir itself';
  }
  return '';
}

export type ResolvedTarget =
  | { readonly addresses: readonly HostAddress[] }
  /** `isForbidden`: it must not be called; else it has no address now. */
  | { readonly problem: string; readonly isForbidden: boolean };

/** The addresses of a target when every one of them may be called; never rejects. */
export async function resolveTarget(
  target: WebhookTarget,
  bounds: WebhookRules,
  resolve: ResolveHost,
): Promise<ResolvedTarget> {
  const { url, host, port } = target;
  let addresses: readonly HostAddress[] = [{ address: host, family: isIP(host) }];
  if (isIP(host) === 0) {
    try {
      addresses = await resolve(host);
    } catch (error) {
      return { problem: describe(error), isForbidden: false };
    }
  }
  if (addresses.length === 0) return { problem: `${host} has no address`, isForbidden: false };
  const texts = addresses.map(({ address }) => address);
  const refusal = refusalOf(texts, port, bounds);
  if (refusal !== '') return { problem: refusal, isForbidden: true };
  // In the clear to this machine alone, whatever it calls localhost.
  const isExposed = url.protocol === 'http:' && !texts.every(isLoopback);
  return isExposed ? { problem: 'must begin with https://', isForbidden: true } : { addresses };
}
