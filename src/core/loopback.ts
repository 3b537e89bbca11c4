// Which hosts are this machine alone: the name localhost and the loopback networks (RFC 5735 3, RFC 4291 2.5.3).
import { BlockList, isIP } from 'node:net';

const networks = new BlockList();
networks.addSubnet('127.0.0.0', 8, 'ipv4');
networks.addAddress('::1', 'ipv6');

/**
 * True for `localhost` and for a loopback address in any spelling, IPv4-mapped ones included. `host`: without brackets and
 * port, in lower case. Other names are not resolved.
 */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const address = host.replace(/%.*/s, '');
  const family = isIP(address);
  return family !== 0 && networks.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
