// An address to listen on, and its text form.

/** Host and port, or the path of a Unix socket. Port 0 means any free port. */
export interface Address {
  /** A host name or an IP address; IPv6 without brackets. `localhost` with a `path`. */
  readonly host: string;
  /** 0 with a `path`. */
  readonly port: number;
  /** Absolute path of a Unix socket; `undefined` for TCP. */
  readonly path?: string;
  /** A socket that listens there already (core/inherited-sockets.ts); `undefined`: it is to be made. */
  readonly inherited?: { readonly fd: number; readonly isOwn: boolean };
}

/** What the address of a client is called that came through a Unix socket, since it has none. */
export const UNIX_CLIENT = 'unix';

const UNIX_SCHEME = 'unix:';

/** Longest path of a Unix socket in bytes (`sun_path` in unix(7), with a zero byte at the end). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** The address of a Unix socket. */
export const unixAddress = (path: string): Address => ({ host: 'localhost', port: 0, path });

/** Reads the path of a Unix socket, or says what is wrong with it: the end of a sentence. */
export function readSocketPath(path: string): { readonly path: string } | { readonly problem: string } {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES)
    return { problem: `the path has ${bytes} bytes, and a Unix socket allows ${MAX_SOCKET_PATH_BYTES}` };
  // Without control characters, since the path is shown in logs.
  if (!/^\/[^\p{Cc}]*[^\p{Cc}/]$/u.test(path))
    return { problem: 'the path must begin with / and name a file, such as unix:/run/weir.sock' };
  return { path };
}

/** The path in `unix:/run/weir.sock` or `unix:///run/weir.sock`; `undefined` for a text of another form. */
export const socketPathIn = (text: string): string | undefined =>
  text.startsWith(UNIX_SCHEME) ? text.slice(UNIX_SCHEME.length).replace(/^\/\/(?=\/)/, '') : undefined;

/** `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/weir.sock` → address; `undefined` for any other text. */
export function parseAddress(text: string): Address | undefined {
  const socketPath = socketPathIn(text);
  if (socketPath !== undefined) {
    const read = readSocketPath(socketPath);
    return 'path' in read ? unixAddress(read.path) : undefined;
  }
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d+)$/.exec(text) ?? [];
  const host = v6 ?? name;
  return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
}

/** What is wrong with a text that begins like the address of a Unix socket; `undefined` for any other text. */
export function socketProblem(text: string): string | undefined {
  const socketPath = socketPathIn(text);
  const read = socketPath === undefined ? undefined : readSocketPath(socketPath);
  return read !== undefined && 'problem' in read ? read.problem : undefined;
}

/** The text form of an address, with IPv6 in brackets. */
export const formatAddress = ({ host, port, path }: Address): string =>
  path === undefined ? `${host.includes(':') ? `[${host}]` : host}:${port}` : `${UNIX_SCHEME}${path}`;
