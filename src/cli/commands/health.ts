// weir health: asks a running weir, for a container's health check that has no curl.
// Must stay true: it answers within its time limit, with 0 for yes and 1 for no.
import { describe } from '../../core/errors.ts';
import { load } from '../../config/config.ts';
import { request } from '../../protocol/http/node-http.ts';
import type { Command } from '../command.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

const TIMEOUT_MS = 3000;

/** Longest part of the answer that is read, in characters. */
const MAX_BODY_CHARACTERS = 16 * 1024;

/** `: no replica is ready: r0 is starting: …` from the body of /readyz; empty if the body gives no reason. */
function reasonIn(body: string): string {
  try {
    const { status, reason } = JSON.parse(body) as { status?: unknown; reason?: unknown };
    return [status, reason].flatMap((part) => (typeof part === 'string' ? [`: ${part}`] : [])).join('');
  } catch {
    // Not JSON, so not an answer of weir: only its status is shown.
    return '';
  }
}

export const health: Command = {
  name: 'health',
  usage: 'health [--admin 127.0.0.1:9464] [--ready]',
  summary: 'Asks a running weir whether it is alive (or, with --ready, ready): exit code 0 or 1.',
  details: 'The address is the admin door’s, from the same flags, variables and file as serve.',
  async run(args) {
    const path = args.includes('--ready') ? '/readyz' : '/livez';
    // Only the admin address matters here.
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
