// weir logs: what happened, from a running weir's admin door.
// Invariant: exit codes and text are those of contracts/baseten.md 8.2.
import type { Command } from '../command.ts';
import { readArguments } from '../logs/flags.ts';
import { fetchPages } from '../logs/fetch-pages.ts';
import { CODES, AdminError } from '../logs/admin-client.ts';
import { followTail } from '../logs/follow-tail.ts';
import { isColored, Printer } from '../logs/printer.ts';

const DETAILS = `What is wanted (all must hold):
  -q, --query TEXT       As in the query bar: requestId:… level>=warn "out of memory" -health /timeout \\d+/ status:5xx
  --since SPAN           The last 90s, 30m, 1h30m or 3d [30m]
  --start, --end TIME    ISO 8601; without a zone, this machine's
  --min-level LEVEL      trace, debug, info, warn, error or fatal; drops lines without a level
  --includes TEXT        Is part of the message, letter by letter; may be given again
  --excludes TEXT        Is not part of it; may be given again
  --search-pattern RE2   Is found in the message
  --replica, --environment, --deployment TEXT
  --model-id, --deployment-id ID   As in the contract; exit code 4 if weir serves another model
  --request-id ID        All of one request, at any time; exit code 4 if there is no record of it
  --kind KIND,…          line, request, event, span [line,request,event]
  --limit N              The newest N; stderr says if there are more; 0: all [5000]

How it is shown:
  --tail, -f, --follow   What comes in from now on, with the same filters; --limit 100 begins with the last 100
  -o, --output FORM      text, json, jsonl, csv or none [text]; the oldest first
  --color WHEN           auto, always or never [auto: on a terminal, unless NO_COLOR is set]

Who is asked:
  --url URL              The admin door [WEIR_CLIENT_URL, http://127.0.0.1:9464]
  --key KEY              A key with the scope logs:read [WEIR_CLIENT_KEY]

Exit codes: 0 ok, 1 failed, 2 usage, 3 key, 4 not found, 5 not to be asked, 6 server, 130 interrupted.`;

export const logs: Command = {
  name: 'logs',
  usage: 'logs [--since 1h] [-f] [-o text|json|jsonl|csv|none] [FILTERS]',
  summary: 'Shows the records: log lines of replicas, requests, and lifecycle events of weir.',
  details: DETAILS,
  async run(args) {
    const wanted = readArguments(args, process.env, Date.now());
    if (!('filters' in wanted)) {
      for (const problem of wanted) process.stderr.write(`weir: ${problem}\n`);
      return CODES.usage;
    }
    process.once('SIGINT', () => process.exit(CODES.interrupted));
    const { output, color, isTail } = wanted;
    const printer = new Printer(output, process.stdout, isColored(color, process.stdout.isTTY, process.env));
    try {
      if (!isTail) return await fetchPages(wanted, printer);
      await followTail(wanted, printer);
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
