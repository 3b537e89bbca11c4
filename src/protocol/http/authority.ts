// Tells whether a text is the authority of an http URI: a host, and a port where there is one.
// Sources: RFC 9112 3.2 (Host), RFC 9110 4.2.1 (the host must not be empty), RFC 3986 3.2.2 and 3.2.3 (host, port).
import { isIPv6 } from 'node:net';

/** reg-name, which IPv4 addresses match as well; then optionally `:` and zero or more digits. */
const NAME = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?$/;
/** IP-literal. The text in brackets is checked separately. */
const LITERAL = /^\[([^[\]]+)\](?::[0-9]*)?$/;
const IP_FUTURE = /^v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+$/i;

/**
 * True for `host` or `host:port` by the grammar: no user, path, space or control character, and brackets around IPv6.
 * False for an address with a zone (`fe80::1%eth0`), since a zone has a meaning on one machine only.
 */
export function isAuthority(text: string): boolean {
  if (NAME.test(text)) return true;
  const literal = LITERAL.exec(text)?.[1];
  if (literal === undefined) return false;
  return IP_FUTURE.test(literal) || (!literal.includes('%') && isIPv6(literal));
}
