// weir health: calls a health endpoint of a running weir, for health checks in containers without curl.
// Invariant: it ends within its timeout, with exit code 0 or 1.
import type { Address } from '../../core/address.ts';
import { nodeTls } from '../../core/node-tls.ts';
import { load } from '../../config/config.ts';
import { requestOnce, type OneShotResult, type OneShotTls } from '../../protocol/http/one-shot.ts';
import {
  CLIENT_FILES,
  CLIENT_FILES_HELP,
  clientFiles,
  readClientTls,
  type ClientFile,
} from '../client-tls.ts';
import type { Command } from '../command.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

const TIMEOUT_MS = 3000;

const MAX_BODY_BYTES = 16 * 1024;

/** `: no replica is ready: r0 is starting: …` from the body of /readyz; empty if the body gives no reason. */
function reasonIn(body: string): string {
  try {
    const { status, reason } = JSON.parse(body) as { status?: unknown; reason?: unknown };
    return [status, reason].flatMap((part) => (typeof part === 'string' ? [`: ${part}`] : [])).join('');
  } catch {
    // Not JSON, so not from weir: only the status is shown.
    return '';
  }
}

function problemIn(result: OneShotResult, path: string): string {
  if (!('status' in result)) return result.problem;
  const { status, body } = result;
  return status === 200 ? '' : `${path} answered ${status}${reasonIn(body.toString('utf8'))}`;
}

/** Arguments of this command alone, taken out of those that `weir serve` has too. */
interface OwnArguments {
  readonly path: string;
  readonly files: Partial<Record<ClientFile, string>>;
  /** True for `--admin https://…`. */
  readonly isHttps: boolean;
  readonly rest: readonly string[];
}

function ownArguments(args: readonly string[]): OwnArguments {
  const files: Partial<Record<ClientFile, string>> = {};
  const rest: string[] = [];
  let path = '/livez';
  let isHttps = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (arg === '--ready') path = '/readyz';
    else if (name !== undefined && Object.hasOwn(CLIENT_FILES, name))
      files[name as ClientFile] = value ?? args[++i] ?? '';
    else {
      // The address of a setting has no scheme.
      const [, scheme, address] = /^((?:--admin=)?)https?:\/\/([^/]*)\/?$/.exec(arg) ?? [];
      isHttps ||= address !== undefined && arg.includes('https://');
      rest.push(address === undefined ? arg : `${scheme}${address}`);
    }
  }
  return { path, files, isHttps, rest };
}

/** Where to connect: a server that listens on all addresses is called at a loopback address. */
const reachable = ({ host }: Address): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;

export const health: Command = {
  usage: 'health [--admin 127.0.0.1:9464] [--ready]',
  details: () =>
    'Calls /livez, or /readyz with --ready, at the address of the admin server (admin.listen). The address is read\n' +
    'from the same flags, variables and file as for weir serve. If admin.tls.cert is set, or with --admin https://…, it\n' +
    'uses TLS. It verifies the certificate with --admin https://… or --ca-file.\n\n' +
    CLIENT_FILES_HELP,
  async run(args) {
    const { path, files, isHttps, rest } = ownArguments(args);
    const loaded = load(rest, process.env, { replica: false });
    if (!loaded.ok) return printProblems(loaded.problems);
    const read = readClientTls(clientFiles((name) => files[name], process.env));
    if ('problems' in read) return printProblems(read.problems);
    const client = read.tls;
    const { listen, tls: server } = loaded.config.admin;
    // Without --ca-file the authority of weir's own certificate is not known here, and nothing secret is sent.
    const tls: OneShotTls = {
      secureContext: nodeTls().createSecureContext(client),
      isUnverified: !isHttps && client.ca === undefined,
    };
    const result = await requestOnce({
      method: 'GET',
      host: reachable(listen),
      port: listen.port,
      socketPath: listen.path,
      path,
      headers: {},
      tls: isHttps || server.cert !== '' ? tls : undefined,
      timeoutMs: TIMEOUT_MS,
      maxBodyBytes: MAX_BODY_BYTES,
    });
    const problem = problemIn(result, path);
    process.stdout.write(problem === '' ? 'ok\n' : `${problem}\n`);
    return problem === '' ? EXIT.ok : EXIT.failed;
  },
};
