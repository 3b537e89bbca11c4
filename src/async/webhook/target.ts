// Checks the URL of a webhook and resolves it to addresses (protection against SSRF).
// Invariant: a name is resolved once, all its addresses are checked, and the connection uses only those.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { describe } from '../../core/errors.ts';
import { isLoopback } from '../../core/loopback.ts';
import type { HostAddress } from '../../protocol/http/one-shot.ts';
import { isThisMachine, type AddressPolicy } from './address-policy.ts';

const MAX_URL = 2048;

export type ResolveHost = (name: string) => Promise<readonly HostAddress[]>;

/** The system's resolver, with its hosts file and search domains. */
export const systemResolve: ResolveHost = (name) => lookup(name, { all: true });

/** A URL that passed the checks that need no resolution. */
export interface WebhookTarget {
  readonly url: URL;
  /** Host name, or address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Which addresses and ports may be called. */
export interface WebhookRules {
  readonly policy: AddressPolicy;
  /** Ports on which weir itself listens. */
  readonly ownPorts: () => readonly number[];
}

const isLocalName = (host: string): boolean => /(^|\.)localhost\.?$/.test(host);

/** Checks a URL without resolving it. Returns the problem as the end of a sentence: `must begin with https://`. */
export function readTarget(text: string, rules: WebhookRules): WebhookTarget | string {
  if (text.length > MAX_URL) return `must not be longer than ${MAX_URL} characters`;
  // The URL parser removes white space and reads a backslash as a slash, so the URL would not be what the client wrote.
  const url = /[\s\\]/.test(text) ? null : URL.parse(text);
  if (url === null || url.hostname === '') return 'must be a URL such as https://example.com/webhook';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  // No program can listen on port 0.
  if (port === 0) return 'must not have port 0';
  const isLocal = isLocalName(host) || isLoopback(host);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal && rules.policy.isLoopbackAllowed))
    return 'must begin with https://';
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password';
  if (isIP(host) !== 0) return refusalOf([host], port, rules) || { url, host, port };
  if (!isLocal) return { url, host, port };
  if (!rules.policy.isLoopbackAllowed) return `must not lead to ${host}`;
  return rules.ownPorts().includes(port) ? 'must not lead to weir itself' : { url, host, port };
}

/** Why one of these addresses must not be called; '' if all may. */
function refusalOf(addresses: readonly string[], port: number, { policy, ownPorts }: WebhookRules): string {
  for (const address of addresses) {
    const what = policy.refusal(address);
    if (what !== '') return `must not lead to ${address}, a ${what} address`;
    if (ownPorts().includes(port) && isThisMachine(address)) return 'must not lead to weir itself';
  }
  return '';
}

export type ResolvedTarget =
  | { readonly addresses: readonly HostAddress[] }
  /** `isForbidden`: an address must not be called. Otherwise the name has no address now. */
  | { readonly problem: string; readonly isForbidden: boolean };

/** Resolves a target and checks all its addresses. Never rejects. */
export async function resolveTarget(
  target: WebhookTarget,
  rules: WebhookRules,
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
  const refusal = refusalOf(texts, port, rules);
  if (refusal !== '') return { problem: refusal, isForbidden: true };
  // Plain HTTP only to loopback, whatever address `localhost` resolves to.
  const isExposed = url.protocol === 'http:' && !texts.every(isLoopback);
  return isExposed ? { problem: 'must begin with https://', isForbidden: true } : { addresses };
}
