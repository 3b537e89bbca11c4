// The list of options in the help of a command. Invariant: it has every setting with a flag.
import { settings } from '../config/schema.ts';

/** The options, two lines each: the flag with the form of its values, then a description with the default. */
export function optionsHelp(): string {
  const rows: [string, string][] = [
    ['--config FILE', 'YAML file with settings.'],
    ['--replica URL', 'URL of a replica, such as http://127.0.0.1:8000. Repeat it for more replicas.'],
    ...settings
      .filter(({ flags }) => flags.length > 0)
      .map(({ flags, info }): [string, string] => [
        `--${info.alias ?? flags[0]} ${info.kind === 'boolean' ? '' : `<${info.kind.replaceAll(' \\| ', '|')}>`}`.trim(),
        `${info.doc}${info.defaultText ? ` [${info.defaultText}]` : ''}`,
      ]),
  ];
  return [
    'Options (each can also be set as WEIR_… variable and in the file; flags win over variables, variables over the file):',
    ...rows.map(([flag, doc]) => `  ${flag}\n        ${doc}`),
  ].join('\n');
}
