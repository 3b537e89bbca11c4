// weir health: calls a health endpoint of a running weir, for health checks in containers without curl.
// Invariant: it ends within its timeout, with exit code 0 or 1.
import { load } from '../../config/config.ts';
import { requestOnce, type OneShotResult } from '../../protocol/http/one-shot.ts';
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

export const health: Command = {
  name: 'health',
  usage: 'health [--admin 127.0.0.1:9464] [--ready]',
  summary: 'Checks whether a running weir is alive (or, with --ready, ready). Exit code 0 if so, else 1.',
  details:
    'Calls /livez, or /readyz with --ready, at the address of the admin server (admin.listen). The address is read\n' +
    'from the same flags, variables and file as for weir serve.',
  async run(args) {
    const path = args.includes('--ready') ? '/readyz' : '/livez';
    const own = args.filter((arg) => arg !== '--ready');
    const loaded = load(own, process.env, { replica: false });
    if (!loaded.ok) return printProblems(loaded.problems);
    const { host, port } = loaded.config.admin.listen;
    const to = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
    const result = await requestOnce({
      method: 'GET',
      host: to,
      port,
      path,
      headers: {},
      timeoutMs: TIMEOUT_MS,
      maxBodyBytes: MAX_BODY_BYTES,
    });
    const problem = problemIn(result, path);
    process.stdout.write(problem === '' ? 'ok\n' : `${problem}\n`);
    return problem === '' ? EXIT.ok : EXIT.failed;
  },
};
