// Checks whether a text is the authority of an http URI: a host and an optional port.
// Sources: RFC 9112 3.2 (Host), RFC 9110 4.2.1 (the host must not be empty), RFC 3986 3.2.2 and 3.2.3 (host, port).
import { isIPv6 } from 'node:net';

/** reg-name or IPv4 address, then optionally `:` and zero or more digits. */
const NAME = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?$/;
/** IP-literal. The text in brackets is checked separately. */
const LITERAL = /^\[([^[\]]+)\](?::[0-9]*)?$/;
const IP_FUTURE = /^v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+$/i;

/**
 * True for `host` or `host:port`, with brackets around IPv6 addresses. False if there is a user, path, space or control
 * character, and for an address with a zone (`fe80::1%eth0`), since a zone has a meaning on one machine only.
 */
export function isAuthority(text: string): boolean {
  if (NAME.test(text)) return true;
  const literal = LITERAL.exec(text)?.[1];
  if (literal === undefined) return false;
  return IP_FUTURE.test(literal) || (!literal.includes('%') && isIPv6(literal));
}
