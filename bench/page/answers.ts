// What one answer costs the thread that forwards requests: its CPU time, and the longest time without a pause.
// Invariant: one request runs at a time, compressed as browsers ask for it, over 100,000 records; the first few do not count.
import { request } from 'node:http';
import { median } from '../stats.ts';
import type { LogReport } from '../logs/log-report.ts';
import { atMost } from '../logs/log-report.ts';
import type { FilledFolder, FilledWeir } from './filled-folder.ts';

const WARM_UP = 5;
/** Goal for the longest turn, in milliseconds. */
const GOAL_MS = 5;

interface Asked {
  readonly name: string;
  readonly title: string;
  /** Asks and reads the whole answer. */
  readonly ask: () => Promise<unknown>;
}

/** Asks and reads an answer without unpacking it. Throws for an error. */
async function read(url: string, body?: object): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    'accept-encoding': text === undefined || !url.endsWith('/v1/logs/downloads') ? 'gzip' : 'identity',
    ...(text !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    }),
  };
  const req = request(url, { method: text === undefined ? 'GET' : 'POST', headers }, (res) => {
    const parts: Buffer[] = [];
    res.on('data', (part: Buffer) => parts.push(part));
    res.on('error', reject);
    res.on('end', () => {
      const all = Buffer.concat(parts);
      if (res.statusCode! < 300) resolve(all);
      else reject(new Error(`${url}: status ${res.statusCode}: ${all.toString('utf8', 0, 300)}`));
    });
  });
  req.on('error', reject);
  req.end(text);
  return promise;
}

/** As the page asks for rows. */
const ROW_FIELDS =
  'timestamp_ns,seq,kind,level,message,request_id,trace_id,deployment,replica,source,status,duration_ms,attributes.method,attributes.path,attributes.cause,attributes.model,attributes.is_stream,attributes.finish_reason,attributes.input_tokens,attributes.output_tokens,attributes.first_token_ms';

function questions({ admin }: FilledWeir, { facts }: FilledFolder): Asked[] {
  const get = (name: string, title: string, path: string): Asked => ({
    name,
    title,
    ask: () => read(admin + path),
  });
  const post = (name: string, title: string, path: string, body: object): Asked => ({
    name,
    title,
    ask: () => read(admin + path, body),
  });
  const { longTrace, conversations, failedRequest } = facts;
  return [
    get('me', 'GET /v1/me', '/v1/me'),
    get('overview', 'GET /v1/overview', '/v1/overview'),
    get('rows_200', 'a page of 200 rows of Logs', `/v1/logs?limit=200&preview=512&fields=${ROW_FIELDS}`),
    get('rows_1000', 'a page of 1,000 rows of Logs', `/v1/logs?limit=1000&preview=512&fields=${ROW_FIELDS}`),
    get('whole_1000', '1,000 whole records', '/v1/logs?limit=1000'),
    get('found_none', 'a search that finds nothing', '/v1/logs?q=%22no+such+text%22&since=24h'),
    get('total', 'the number of matching records', '/v1/logs?limit=1&with=total&fields=seq&since=24h'),
    get(
      'facets',
      'the five facets',
      '/v1/logs/facets?fields=level,status,kind,replica,cause&top=6&since=24h',
    ),
    get('hits', '120 bars by level', '/v1/logs/hits?since=24h&step=12m'),
    get(
      'hits_by',
      '120 bars by replica, with the day before',
      '/v1/logs/hits?since=24h&step=12m&by=replica&compare=24h',
    ),
    get('fields', 'names of attributes', '/v1/logs/fields?since=24h'),
    post('series', 'four charts of Monitor', '/v1/series', {
      measures: ['requests', 'latency_p50', 'latency_p95', 'ttft_p95', 'output_tokens'],
      since: '24h',
      step: '15m',
      by: 'model',
    }),
    get('trace', 'the first 1,000 of 5,000 spans', `/v1/traces/${longTrace.traceId}?shape=flat`),
    get('trace_tree', '5,000 spans as a tree', `/v1/traces/${longTrace.traceId}`),
    get('details', 'a request with its bodies of 1 MB', `/v1/logs/${conversations.large}?with=details`),
    get('details_plain', 'the same without details', `/v1/logs/${conversations.large}`),
    get('details_short', 'a short request', `/v1/logs/${conversations.chat}?with=details`),
    get('find_end', 'a request by the end of its id', `/v1/find?id=${failedRequest.slice(-8)}`),
    post('preview', 'the preview of an export', '/v1/logs/exports/preview', {
      filters: { query: 'status:200' },
      format: 'jsonl',
    }),
    {
      name: 'download',
      title: 'a download of two hours as CSV',
      async ask() {
        const made = await read(`${admin}/v1/logs/downloads`, { format: 'csv', since: '2h' });
        await read((JSON.parse(made.toString('utf8')) as { url: string }).url);
      },
    },
    get('page', 'the files of the page', '/ui/logs'),
  ];
}

/** Measures all answers. `rounds`: of each, after the first few. `only`: names; empty for all. */
export async function measureAnswers(
  weir: FilledWeir,
  folder: FilledFolder,
  report: LogReport,
  rounds: number,
  only: readonly string[],
): Promise<void> {
  for (const { name, title, ask } of questions(weir, folder)) {
    if (only.length > 0 && !only.includes(name)) continue;
    for (let i = 0; i < WARM_UP; i++) await ask();
    const longest: number[] = [];
    const totals: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const turns = await weir.turns(ask);
      longest.push((turns.longest[0] ?? 0) / 1000);
      totals.push(turns.total / 1000);
    }
    process.stderr.write(`${name}: ${longest.map((ms) => ms.toFixed(1)).join(' ')} ms\n`);
    report.rounds[`${name}_longest_ms`] = longest;
    report.rounds[`${name}_cpu_ms`] = totals;
    report.add(`${name}_longest_ms`, `${title}: longest turn`, median(longest), ' ms', atMost(GOAL_MS));
    report.add(`${name}_worst_ms`, `${title}: longest turn of all rounds`, Math.max(...longest), ' ms');
    report.add(`${name}_cpu_ms`, `${title}: CPU time`, median(totals), ' ms');
  }
}
