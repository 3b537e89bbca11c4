// The options part of a command's help, made from the settings. Must stay true: every flag is in it.
import { settings } from '../config/schema.ts';

/** One line for every flag: its name, what values look like, what it does, its default. */
export function optionsHelp(): string {
  const rows: [string, string][] = [
    ['--config FILE', 'A YAML file with settings.'],
    ['--replica URL', 'Where a replica answers; give it once for each.'],
    ...settings
      .filter(({ flags }) => flags.length > 0)
      .map(({ flags, info }): [string, string] => [
        `--${info.alias ?? flags[0]} ${info.kind === 'boolean' ? '' : `<${info.kind.replaceAll(' \\| ', '|')}>`}`.trim(),
        `${info.doc}${info.defaultText ? ` [${info.defaultText}]` : ''}`,
      ]),
  ];
  return [
    'Options (each is also a variable WEIR_… and a key of the file):',
    ...rows.map(([flag, doc]) => `  ${flag}\n        ${doc}`),
  ].join('\n');
}
