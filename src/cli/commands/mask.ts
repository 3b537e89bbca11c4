// weir mask: shows what the rules of masking do to a text, without a running weir.
// Invariant: stdout has only the masked text, stderr only what was found.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describe } from '../../core/errors.ts';
import { testMasking, unknownRules } from '../../telemetry/logs/logs.ts';
import type { Command } from '../command.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

const FLAGS = {
  rules: { type: 'string' },
  pattern: { type: 'string', multiple: true },
  drop: { type: 'string', multiple: true },
  hash: { type: 'string', multiple: true },
} as const;

const commaSeparated = (text: string): string[] =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

function maskText(args: readonly string[]): number {
  const { values, positionals } = parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  const [text, ...more] = positionals;
  if (more.length > 0)
    return printProblems([`unexpected argument ${JSON.stringify(more[0])}; quote the text`]);
  const rules = values.rules === undefined ? undefined : commaSeparated(values.rules);
  const unknown = unknownRules(rules ?? []);
  if (unknown.length > 0)
    return printProblems(unknown.map((word) => `--rules: unknown rule ${JSON.stringify(word)}`));
  const paths = (['drop', 'hash'] as const).flatMap((action) =>
    (values[action] ?? []).map((path) => ({ path, action })),
  );
  const { problems, masked, matches, counts } = testMasking(text ?? readFileSync(0, 'utf8'), {
    rules,
    patterns: values.pattern,
    paths,
  });
  if (problems.length > 0) return printProblems(problems);
  if (masked !== null) process.stdout.write(masked.endsWith('\n') ? masked : `${masked}\n`);
  else process.stderr.write('not stored: the text seems to be JSON but is not, so paths cannot be found\n');
  for (const { rule, start, end, text: found } of matches)
    process.stderr.write(`${rule} ${start}-${end} ${JSON.stringify(found)}\n`);
  for (const [rule, count] of Object.entries(counts)) process.stderr.write(`masked by ${rule}: ${count}\n`);
  return EXIT.ok;
}

export const mask: Command = {
  usage: 'mask test [--rules email,card] [--pattern RE2] [--drop PATH] [--hash PATH] [TEXT]',
  details: () => `The masked text goes to stdout. What the rules found, and where, goes to stderr.

  --rules LIST     rules as in logs.mask [all]
  --pattern RE2    an expression as in logs.redact_patterns; may be repeated
  --drop PATH, --hash PATH
                   a path as in logs.mask_paths, such as $.user.email; may be repeated`,
  run([action, ...args]) {
    if (action !== 'test')
      return Promise.resolve(printProblems(['unknown action; usage: weir mask test [TEXT]']));
    try {
      return Promise.resolve(maskText(args));
    } catch (error) {
      // Flags that parseArgs does not know.
      if (!(error instanceof TypeError)) throw error;
      return Promise.resolve(printProblems([describe(error)]));
    }
  },
};
