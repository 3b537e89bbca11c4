// docs/reference/files.md: ports, files on disk, environment variables.
import { settings } from '../../src/config/schema.ts';
import { CLIENT, OLD_CLIENT } from '../../src/config/variables.ts';
import { code, GENERATED, page, table } from '../markdown.ts';

/** File or folder below `data.dir`, content. A test compares the names with the folder of a running weir. */
export const FILES: readonly (readonly [names: string, content: string])[] = [
  ['weir.lock, weir.pid', 'lock, since one weir uses the folder at a time, and the id of its process'],
  ['restart.sock', 'socket on which weirs that were replaced send their last records'],
  ['weir.id', 'random id of the folder, a part of the field `pod` of records'],
  [
    'logs/logs-DAY-SEQ.sqlite',
    'day files of the log store, one or more a day; `logs.retention` and `logs.max_bytes` limit them',
  ],
  ['logs/logs-DAY-SEQ-rN.sqlite', 'a day file that was written anew without deleted records'],
  ['logs/deletions.json', 'deletions of records, and how far they are; created with the first one'],
  ['logs/lock.sqlite', 'lock of the log store'],
  ['queue.sqlite', 'asynchronous requests; created with the first one'],
  ['keys.json', 'digests of the keys that were made through the admin API, for it and for clients'],
  ['key-costs.json', 'cost of this day of each client, for the limit of its key'],
  ['key-last-uses.json', 'when each key was last used; written at most once a minute'],
  [
    'connections.json',
    'OTLP destinations that were created through the admin API; header values are encrypted',
  ],
  [
    'url-key',
    'key that signs URLs which are used without an admin key; without it, signed URLs stop working',
  ],
  ['mask.key', 'key of hashes of `logs.mask_paths`; created with the first hash'],
  ['projects.json', 'projects and their tags'],
  [
    'attachments/',
    'files that rows of projects refer to; `projects.max_attachments` and `logs.retention` limit them',
  ],
  [
    'exports/',
    'export jobs and their files; `export_jobs.lifetime` and `export_jobs.max_bytes` limit the files',
  ],
  ['scoring.json', 'scoring rules and stored scorers; header values of judges are encrypted'],
  ['scoring-cursors.json', 'sequence number up to which each scoring rule has come'],
  ['downloads/', 'files of downloads; deleted 15 minutes after their last use, and at the start'],
  ['views.json', 'saved views of the page'],
  ['prices.json', 'prices of tokens that were set through the admin API'],
  ['cursors.json', 'sequence number up to which each destination has received records'],
  [
    'secret.key',
    'key for the header values in `connections.json` and `scoring.json`, unless `export.encryption_key` is set; back it up too, since the values cannot be read without it',
  ],
];

const PORTS: Readonly<Record<string, string>> = {
  'ingress.listen': 'data server: HTTP, WebSocket and gRPC requests of clients',
  'admin.listen': 'admin server: metrics, probes, logs, admin API, web page',
  'scale.listen': 'KEDA external scaler (gRPC); closed unless `scale.keda` or this setting is given',
};

const EXTERNAL: readonly (readonly [name: string, meaning: string])[] = [
  ['WEIR_REPLICA', 'URLs of replicas, comma-separated; as `--replica`'],
  ['WEIR_CONFIG', 'path of the configuration file; as `--config`'],
  [CLIENT.url, '`weir logs`: address of the admin server'],
  [CLIENT.key, '`weir logs`: key with the scope `logs:read`'],
  [OLD_CLIENT.url, '`weir logs`: older name of the address'],
  [OLD_CLIENT.key, '`weir logs`: older name of the key; the server reads it as `admin.key`'],
  ['NO_COLOR', '`weir logs`: no colors'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'where spans are sent, unless a setting of `export` says it'],
  [
    'HONEYCOMB_API_KEY, HONEYCOMB_DATASET',
    'send spans to Honeycomb, unless a setting of `export` says otherwise',
  ],
  ['NODE_EXTRA_CA_CERTS', 'certificate authorities that are trusted besides the public ones'],
];

/** The page. */
export function filesPage(): string {
  const listening = settings.filter(({ info }) => info.kind === 'host:port');
  return page(
    '# Ports, files and environment variables',
    GENERATED,
    '## Ports',
    table(
      ['default', 'setting', 'flag', 'serves'],
      listening.map(({ key, flags, info }) => [
        code(info.defaultText ?? ''),
        code(key),
        flags.map((flag) => code(`--${flag}`)).join(' '),
        PORTS[key] ?? info.doc,
      ]),
    ),
    '## Files',
    'In the folder of `data.dir` (default `weir-data` in the working directory). One weir uses a folder at a time. With' +
      ' `logs.capture: off` and `async.store: memory` weir needs no folder.',
    table(
      ['file', 'content'],
      FILES.map(([names, content]) => [names.split(', ').map(code).join(', '), content]),
    ),
    'SQLite adds files with the endings `-wal` and `-shm` while weir runs. A damaged file is set aside under another name.',
    '## Environment variables',
    'Every setting that has a flag has a variable: `--pool-probe-interval` is `WEIR_POOL_PROBE_INTERVAL`. An unknown' +
      ' variable that begins with `WEIR_` is an error, except those that Kubernetes and Docker set for a Service or' +
      ' container called `weir`. Others:',
    table(
      ['variable', 'meaning'],
      EXTERNAL.map(([name, meaning]) => [name.split(', ').map(code).join(', '), meaning]),
    ),
  );
}
