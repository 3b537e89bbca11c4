// An address to listen on, and its text form.

/** Host and port. Port 0 means any free port. */
export interface Address {
  /** A host name or an IP address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8080` or `[::1]:8080` → address; `undefined` for any other text. */
export function parseAddress(text: string): Address | undefined {
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d+)$/.exec(text) ?? [];
  const host = v6 ?? name;
  return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
}

/** The text form of an address, with IPv6 in brackets. */
export const formatAddress = ({ host, port }: Address): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
