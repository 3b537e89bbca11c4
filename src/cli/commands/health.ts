// weir health: calls a health endpoint of a running weir, for health checks in containers without curl.
// Invariant: it ends within its timeout, with exit code 0 or 1.
import { describe } from '../../core/errors.ts';
import { load } from '../../config/config.ts';
import { request } from '../../protocol/http/node-http.ts';
import type { Command } from '../command.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

const TIMEOUT_MS = 3000;

/** Longest part of the response body that is read, in characters. */
const MAX_BODY_CHARACTERS = 16 * 1024;

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
    const answer = await new Promise<string>((resolve) => {
      const asked = request({ host: to, port, path, agent: false, timeout: TIMEOUT_MS }, (res) => {
        let body = '';
        res.setEncoding('utf8');
        res.on('data', (text: string) => (body = (body + text).slice(0, MAX_BODY_CHARACTERS)));
        res.on('end', () =>
          resolve(res.statusCode === 200 ? '' : `${path} answered ${res.statusCode}${reasonIn(body)}`),
        );
      });
      asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      asked.on('error', (error) => resolve(describe(error)));
      asked.end();
    });
    process.stdout.write(answer === '' ? 'ok\n' : `${answer}\n`);
    return answer === '' ? EXIT.ok : EXIT.failed;
  },
};
