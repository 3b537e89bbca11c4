// Settings of what is logged and kept.
import { basename, dirname } from 'node:path';
import { bytes, flag, section, words, type Settings } from '../base/settings.ts';
import { compileRegex } from './regex.ts';

const isFollowable = (path: string): boolean =>
  path !== '' && basename(path) !== '' && !path.endsWith('/') && !/[*?[\]{}]/.test(dirname(path));

export const logsOptions = section({
  files: words({
    default: [],
    pattern: { test: isFollowable },
    like: 'paths of files; * and ? may stand in the last part alone, such as /var/log/model/*.log',
    doc: 'Log files that are followed, through rotation too; `*` and `?` may stand in the last part of a path.',
  }),
  max_line: bytes({
    default: 64 * 1024,
    min: 1024,
    max: 16 * 1024 ** 2,
    doc: 'A logged line longer than this is cut, and marked with `is_cut`.',
  }),
  redact: flag({
    default: true,
    doc: 'Take out what looks like a secret: keys, tokens, passwords, credentials in URLs, private keys.',
  }),
  redact_patterns: words({
    default: [],
    separator: '\n',
    pattern: { test: (pattern) => pattern !== '' && typeof compileRegex(pattern) !== 'string' },
    like: 'RE2 expressions, one a line, without lookaround and backreferences',
    doc: 'What else is taken out: RE2 expressions, in a file as a list, elsewhere one a line.',
  }),
});
export type LogsOptions = Settings<typeof logsOptions>;
