// weir logs: prints records from the admin server of a running weir.
// Invariant: exit codes and text are those of docs/contracts/serving.md 8.2.
import type { Command } from '../command.ts';
import { CLIENT_FILES_HELP, readClientTls } from '../client-tls.ts';
import { readArguments } from '../logs/flags.ts';
import { fetchPages } from '../logs/fetch-pages.ts';
import { CODES, AdminError } from '../logs/admin-client.ts';
import { followTail } from '../logs/follow-tail.ts';
import { isColored, Printer } from '../logs/printer.ts';

const DETAILS = `Filters (a record must match all of them):
  -q, --query TEXT       A query, such as requestId:… level>=warn "out of memory" -health /timeout \\d+/ status:5xx
  --since SPAN           The last 90s, 30m, 1h30m, 3d or 2w [30m]
  --start, --end TIME    ISO 8601 such as 2026-11-20T16:52:26Z; without a zone: UTC
  --min-level LEVEL      trace, debug, info, warn, error or fatal; excludes lines without a level
  --includes TEXT        Text that the message contains, case sensitive; may be repeated
  --excludes TEXT        Text that the message does not contain; may be repeated
  --search-pattern RE2   Regular expression that matches in the message
  --replica, --environment, --deployment, --pod TEXT
                         Records of one replica, environment, deployment or pod
  --model-id, --deployment-id ID   The same by id; exit code 4 if weir serves another model
  --request-id ID        All records of one request, of any time; exit code 4 if there are none
  --kind KIND,…          line, request, event, span, annotation [line,request,event]
  --limit N              Only the newest N records; 0: no limit [5000]

Output:
  --tail, -f, --follow   Print new records as they come, with the same filters; --limit 100 begins with the last 100
  -o, --output FORMAT    text, json, jsonl, csv or none [text]; oldest first
  --color WHEN           auto, always or never [auto: on a terminal, unless NO_COLOR is set]

Connection:
  --url URL              URL of the admin server: http://…, https://… or unix:/path [WEIR_CLIENT_URL, http://127.0.0.1:9464]
  --key KEY              API key with the scope logs:read [WEIR_CLIENT_KEY]
${CLIENT_FILES_HELP}

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 key missing or refused, 4 not found, 5 query refused, 6 server error,
130 interrupted.`;

function refuse(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`weir: ${problem}\n`);
  return CODES.usage;
}

export const logs: Command = {
  usage: 'logs [--since 1h] [-f] [-o text|json|jsonl|csv|none] [FILTERS]',
  details: () => DETAILS,
  async run(args) {
    const wanted = readArguments(args, process.env, Date.now());
    if (!('filters' in wanted)) return refuse(wanted);
    const read = readClientTls(wanted.files);
    if ('problems' in read) return refuse(read.problems);
    const target = { ...wanted, tls: read.tls };
    process.once('SIGINT', () => process.exit(CODES.interrupted));
    const { output, color, isTail } = wanted;
    const printer = new Printer(output, process.stdout, isColored(color, process.stdout.isTTY, process.env));
    try {
      if (!isTail) return await fetchPages(target, printer);
      await followTail(target, printer);
      return CODES.ok;
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      process.stderr.write(`weir: ${error.message}\n`);
      return error.code;
    } finally {
      await printer.flush();
    }
  },
};
