// weir check: checks a configuration without starting anything.
// Invariant: all mistakes are printed at once; files that settings name are checked once the settings are valid.
import { load, problemsInFiles } from '../../config/config.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

export const check: Command = {
  usage: 'check [--config weir.yaml] [OPTIONS]',
  details: optionsHelp,
  async run(args) {
    const loaded = load(args, process.env);
    if (!loaded.ok) return printProblems(loaded.problems);
    const problems = problemsInFiles(loaded.config);
    if (problems.length > 0) return printProblems(problems);
    for (const { level, event, fields } of loaded.notices)
      if (level === 'warn') process.stderr.write(`weir: warning: ${event} (${formatFields(fields)})\n`);
    const replicas = loaded.config.deployments.reduce(
      (sum, deployment) => sum + deployment.replicas.length,
      0,
    );
    process.stdout.write(`ok: ${loaded.config.deployments.length} deployment(s), ${replicas} replica(s)\n`);
    return EXIT.ok;
  },
};

const formatFields = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${String(value)}`)
    .join(', ');
