// docs/reference/http-api.md: the routes of the data server and of the admin server.
import { endpoints } from '../../src/control/admin/admin.ts';
import { COMMON_PARAMS } from '../../src/control/admin/logs/search-params.ts';
import { ADMIN_SCOPES, CLIENT_SCOPES, type AdminScope } from '../../src/core/keys/scopes.ts';
import { routes, targets } from '../../src/data-plane/routing/route.ts';
import { code, GENERATED, page, table } from '../markdown.ts';

const HEADERS: readonly (readonly [name: string, sentTo: string, meaning: string])[] = [
  [
    'X-Baseten-Request-Id',
    'client, replica',
    'id of the request: 37 hex digits, the first 12 are its time in ms',
  ],
  ['X-Request-Id', 'replica', 'the same id, unless the client sent its own'],
  ['X-Weir-Cause', 'client', 'cause of an error that weir made: see [Errors](errors.md)'],
  [
    'Server-Timing',
    'client',
    'time in the wait queue, time until the response head, time of earlier attempts',
  ],
  ['X-Baseten-Model-Prediction-Attempts', 'client', 'how many times the request was sent'],
  [
    'Retry-After',
    'client',
    'seconds, with 429, 503 and 529 that weir makes: `1`, or the time until a limit of a key allows a request',
  ],
  ['WWW-Authenticate', 'client', '`Bearer`, with 401 that weir makes'],
  ['X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded', 'replica', 'the address of the client'],
  ['traceparent, tracestate', 'replica', 'the trace: see [Tracing](../guides/tracing.md)'],
];

const scopeOf = (scope: AdminScope): string =>
  scope === 'open'
    ? 'open'
    : scope === 'metrics'
      ? 'open; with `admin.protect_metrics`: this machine, or `metrics`'
      : code(scope);

/** The page. */
/** Addresses of the web page (src/control/page/web-page.ts), and what they answer. */
const PAGE_ROUTES = [
  ['GET /ui/…', 'the document of the page, for every address below `/ui/` that names no file'],
  ['GET /ui/a/{file}', 'a file of the page, for a year in caches'],
  ['GET /ui/LICENSES.txt', 'licences of what the page contains'],
  ['GET /', 'for browsers: 302 to `/ui/`'],
  ['GET /app/{org}/p/{project}/logs', "for browsers: links that Braintrust's SDK prints, 302 to the trace"],
  ['GET /app/{org}/object', 'for browsers: the same, 302 to what `id` names'],
] as const;

export function httpApiPage(): string {
  return page(
    '# HTTP API',
    GENERATED,
    '## Data server',
    'Default address: `0.0.0.0:8080` (`ingress.listen`). A path consists of a target `{t}`, which names a deployment, and a' +
      ' route. See [Routing](../guides/routing.md).',
    '### Targets',
    table(
      ['`{t}`', 'selects'],
      targets.map(({ prefix, picks }) => [code(prefix), picks]),
    ),
    '### Routes',
    table(
      ['method', 'path', 'result', 'scope'],
      routes.map(({ method, path, does, scope }) => [
        method,
        path.includes('{') ? code(path) : path,
        does,
        code(scope),
      ]),
    ),
    'The scope is needed where `client_keys.required` is set: see [Client keys](../guides/client-keys.md). `any`: one of the' +
      ' data server.',
    table(
      ['scope', 'allows'],
      Object.entries(CLIENT_SCOPES).map(([scope, allows]) => [code(scope), allows]),
    ),
    '### Headers that weir adds',
    table(
      ['header', 'sent to', 'meaning'],
      HEADERS.map(([name, to, meaning]) => [name.split(', ').map(code).join(', '), to, meaning]),
    ),
    '## Admin server',
    'Default address: `0.0.0.0:9464` (`admin.listen`). Without any key, routes that are not open answer only requests from' +
      ' this machine. With a key, send `Authorization: Bearer KEY`. See [Keys](../guides/keys.md).',
    `Scopes: ${ADMIN_SCOPES.map(code).join(', ')}. \`admin\` includes all others. HEAD works where GET does.`,
    table(
      ['route', 'result', 'scope'],
      endpoints.map(({ method, path, does, scope }) => [code(`${method} ${path}`), does, scopeOf(scope)]),
    ),
    '### The web page',
    'With `admin.page`, without a key. See [Web page](../guides/page.md).',
    table(
      ['route', 'result'],
      PAGE_ROUTES.map(([route, result]) => [code(route), result]),
    ),
    '### Filters of the log routes',
    `All log routes accept ${COMMON_PARAMS.map(code).join(', ')}. An unknown parameter is an error. See` +
      ' [Logs](../guides/logs.md) and [Query language](query-language.md).',
  );
}
