// docs/reference/settings.md: every setting, by section.
import { settings, type Setting } from '../../src/config/schema.ts';
import { code, GENERATED, page, table } from '../markdown.ts';

const INTRO = `Every setting has one name in the configuration file and, unless the table says "file only", one flag and
one environment variable: \`pool.probe_interval\` is \`--pool-probe-interval\` and \`WEIR_POOL_PROBE_INTERVAL\`. A flag wins
over a variable, a variable over the file, the file over the default. See [Configuration](../guides/configuration.md).

\`deployments[]\` means an entry of a list. The flags of \`deployments[]\` configure the only deployment; with several
deployments use the file.`;

const KINDS = table(
  ['kind', 'example', 'notes'],
  [
    ['duration', '`500ms`, `30s`, `1h30m`, `7d`', 'units: ns, us, ms, s, m, h, d, w; `0` needs none'],
    ['bytes', '`64KiB`, `100MiB`, `65536`', 'units are binary; without a unit, bytes'],
    ['integer', '`16`', ''],
    ['number', '`0.15`', ''],
    ['time', '`2026-12-01`, `2026-12-01T08:00:00+01:00`', 'without a zone: UTC'],
    ['boolean', '`true`, `false`', 'a flag without a value means `true`'],
    ['host:port', '`127.0.0.1:8080`, `[::1]:8080`', 'port 0 means any free port'],
    ['list, secrets', '`a,b`', 'a list in the file, comma-separated elsewhere'],
    ['secret, secrets', '', '`weir settings` and the admin API show `***`'],
  ],
);

const rowOf = ({ key, flags, info }: Setting): string[] => [
  code(key),
  flags.length === 0 ? 'file only' : flags.map((flag) => code(`--${flag}`)).join(' '),
  info.kind,
  code(info.defaultText ?? ''),
  info.doc,
];

/** The page. */
export function settingsPage(): string {
  const sections = [...new Set(settings.map(({ path }) => path[0]!))];
  return page(
    '# Settings',
    GENERATED,
    INTRO,
    '## Kinds of values',
    KINDS,
    ...sections.flatMap((name) => [
      `## ${name}`,
      table(
        ['setting', 'flag', 'kind', 'default', 'description'],
        settings.filter(({ path }) => path[0] === name).map(rowOf),
      ),
    ]),
  );
}
