// Settings of the log store (section `logs`): what is stored, from where, and for how long.
import { basename, dirname } from 'node:path';
import {
  bytes,
  choice,
  duration,
  flag,
  listOf,
  required,
  section,
  text,
  wordList,
} from '../../core/settings.ts';
import { parseJsonPath } from './masking/json-path.ts';
import { MASK_WORDS } from './masking/mask-rules.ts';
import { DEFAULT_MASK, MASK_PLACES, PATH_ACTIONS, type MaskPlace } from './masking/masking-options.ts';
import { compileRegex } from './regex.ts';

const isFollowable = (path: string): boolean =>
  path !== '' && basename(path) !== '' && !path.endsWith('/') && !/[*?[\]{}]/.test(dirname(path));

const DAY = 86_400_000;

const MODES = ['metadata', 'full', 'off'] as const;
const RULES = MASK_WORDS.join(', ');
const PATH = /^[/*][^\s?#]{0,255}$/;

export const logsOptions = section({
  capture: choice(MODES, {
    default: 'metadata',
    doc: 'What is stored of each request. `metadata`: everything except bodies. `full`: HTTP bodies too, unless the request has `x-portkey-debug: false`; bodies of gRPC and WebSocket are never stored. `off`: nothing. Requests from the queue are matched by `predict_path`.',
  }),
  routes: listOf(
    section({
      path: required(
        'a path',
        'Start of the request path as the client sent it. If it contains `*`, the whole path must match; `*` stands for any characters.',
        (input) =>
          PATH.test(input)
            ? { value: input }
            : { problem: 'must be a path such as /v1/chat/ or */completions, without ? and #' },
        String,
      ),
      capture: choice(MODES, {
        default: 'full',
        doc: 'What is stored of these requests. The first matching entry applies.',
      }),
      follow: flag({
        default: true,
        doc: 'Read model, tokens and times of tokens from the bodies of these requests (`llm.follow`). Never with `capture: off`.',
      }),
      mask: wordList({
        default: [DEFAULT_MASK],
        pattern: { test: (word) => [DEFAULT_MASK, 'none', ...MASK_WORDS].includes(word) },
        like: `rules (${RULES}), \`none\` or \`${DEFAULT_MASK}\``,
        doc: 'Rules that mask the bodies of these requests instead of `logs.mask`, which `default` stands for.',
      }),
    }),
  ),
  max_body: bytes({
    default: 256 * 1024,
    min: 1024,
    max: 16 * 1024 ** 2,
    doc: 'Maximum bytes stored of each body, after decompression. Longer bodies are cut and marked.',
  }),
  retention: duration({
    default: 7 * DAY,
    min: 60_000,
    max: 366 * DAY,
    doc: 'Records older than this are deleted, whole days at a time.',
  }),
  retention_bodies: duration({
    default: 0,
    max: 366 * DAY,
    doc: 'Bodies of requests older than this are deleted, whole days at a time, and their records stay. 0: they are kept as long as their records.',
  }),
  max_bytes: bytes({
    default: 4 * 1024 ** 3,
    min: 16 * 1024 ** 2,
    doc: 'Maximum size of the log store on disk. The oldest records are deleted first.',
  }),
  pod: text({
    default: '',
    pattern: /^[A-Za-z0-9._-]{0,253}$/,
    like: 'up to 253 letters, digits, dots, dashes or underscores',
    doc: 'Name of this weir in its records. The field `pod` is this name, a dash, and the id of the data folder. Empty: `kubernetes.pod_name`, otherwise the host name.',
  }),
  files: wordList({
    default: [],
    pattern: { test: isFollowable },
    like: 'file paths, with * and ? only in the last part, such as /var/log/model/*.log',
    doc: 'Log files to follow, also across rotation. The last part of a path may contain `*` and `?`.',
  }),
  max_line: bytes({
    default: 64 * 1024,
    min: 1024,
    max: 16 * 1024 ** 2,
    doc: 'Maximum length of a log line. Longer lines are cut and marked with `is_cut`.',
  }),
  redact: flag({
    default: true,
    doc: 'Replace what looks like a secret with `[redacted]`: keys, tokens, passwords, credentials in URLs, private keys.',
  }),
  redact_patterns: wordList({
    default: [],
    separator: '\n',
    pattern: { test: (pattern) => pattern !== '' && typeof compileRegex(pattern) !== 'string' },
    like: 'RE2 expressions, one per line, without lookaround and backreferences',
    doc: 'RE2 expressions whose matches are redacted too. A list in the configuration file, otherwise one per line.',
  }),
  mask: wordList({
    default: [],
    pattern: { test: (word) => MASK_WORDS.includes(word) },
    like: `rules: ${RULES}`,
    doc: `Replace personal data by the name of its rule, such as \`[email]\`, before it is stored: ${RULES}. \`national_id\` stands for all national numbers.`,
  }),
  mask_in: wordList({
    default: ['bodies', 'posts'],
    pattern: { test: (word) => MASK_PLACES.includes(word as MaskPlace) },
    like: MASK_PLACES.join(', '),
    doc: 'Where `mask` applies. `bodies`: captured bodies. `posts`: posted records, rows and spans, with their bodies. `lines`: log lines, and the paths and metadata of requests.',
  }),
  mask_paths: listOf(
    section({
      path: required(
        'a path',
        'Path in JSON bodies: `$.user.email`, `$.messages[*].name`, `$..password`.',
        (input) => {
          const parsed = parseJsonPath(input);
          return typeof parsed === 'string' ? { problem: `a path: ${parsed}` } : { value: input };
        },
        String,
      ),
      action: choice(PATH_ACTIONS, {
        default: 'drop',
        doc: '`drop`: the value becomes `[dropped]`. `hash`: it becomes a keyed hash, the same for equal values.',
      }),
    }),
  ),
  download_unlimited: flag({
    default: false,
    doc: 'Allow downloads of more than 7 days or 100,000 rows.',
  }),
});
