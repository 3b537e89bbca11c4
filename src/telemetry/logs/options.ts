// Settings of the record of what happened (section `logs`): what is kept, where it comes from, for how long.
import { basename, dirname } from 'node:path';
import {
  bytes,
  choice,
  duration,
  flag,
  listOf,
  required,
  section,
  wordList,
  type Settings,
} from '../../core/settings.ts';
import { compileRegex } from './regex.ts';

const isFollowable = (path: string): boolean =>
  path !== '' && basename(path) !== '' && !path.endsWith('/') && !/[*?[\]{}]/.test(dirname(path));

const DAY = 86_400_000;

const MODES = ['metadata', 'full', 'off'] as const;
const PATH = /^[/*][^\s?#]{0,255}$/;

export const logsOptions = section({
  capture: choice(MODES, {
    default: 'metadata',
    doc: 'What is kept of each request: metadata; full for the bodies of HTTP too (`x-portkey-debug: false` has them left out; those of gRPC and WebSockets are never kept); off for nothing. A run of the queue goes by `predict_path`.',
  }),
  routes: listOf(
    section({
      path: required(
        'path',
        'Requests whose path, as the client wrote it, begins like this; with a `*` in it: is this, `*` for any characters.',
        (input) =>
          PATH.test(input)
            ? { value: input }
            : { problem: 'must be a path such as /v1/chat/ or */completions, without ? and #' },
        String,
      ),
      capture: choice(MODES, {
        default: 'full',
        doc: 'What is kept of these; the first entry that fits counts.',
      }),
    }),
  ),
  max_body: bytes({
    default: 256 * 1024,
    min: 1024,
    max: 16 * 1024 ** 2,
    doc: 'Bytes that `full` keeps of each body, unpacked; a longer one is cut and marked.',
  }),
  retention: duration({
    default: 7 * DAY,
    min: 60_000,
    max: 366 * DAY,
    doc: 'What is older is deleted, whole days at a time.',
  }),
  max_bytes: bytes({
    default: 4 * 1024 ** 3,
    min: 16 * 1024 ** 2,
    doc: 'What all of the record may take on the disk; the oldest goes first.',
  }),
  files: wordList({
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
  redact_patterns: wordList({
    default: [],
    separator: '\n',
    pattern: { test: (pattern) => pattern !== '' && typeof compileRegex(pattern) !== 'string' },
    like: 'RE2 expressions, one a line, without lookaround and backreferences',
    doc: 'What else is taken out: RE2 expressions, in a file as a list, elsewhere one a line.',
  }),
  download_unlimited: flag({
    default: false,
    doc: 'Let downloads go beyond 7 days and 100,000 rows.',
  }),
});
export type LogsOptions = Settings<typeof logsOptions>;
