// Braintrust's command line, unmodified, with the binary of weir: view, sql and sync.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiObject } from '../kit/braintrust-api.ts';
import { btIsMissing, clientsAreMissing, runBt, runClient } from '../kit/clients.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

/** What the SDK has logged. */
interface Logged {
  readonly project: string;
  readonly root: { readonly id: string; readonly trace: string };
}

describe.skipIf(clientsAreMissing || btIsMissing)("Braintrust's command line", () => {
  let weir: Weir;
  let home: string;
  let logged: Logged;
  const client = (): Record<string, string> => ({
    BRAINTRUST_APP_URL: weir.admin,
    BRAINTRUST_API_KEY: 'any',
  });

  beforeAll(async () => {
    weir = await startWeir(['--replica=http://127.0.0.1:1', '--data-dir', folder()]);
    home = folder();
    const { code, stdout, stderr } = await runClient('bt-traced.mjs', client());
    if (code !== 0) throw new Error(`bt-traced.mjs failed: ${stderr}`);
    logged = JSON.parse(stdout) as Logged;
  }, 60_000);

  afterAll(async () => {
    await stopAll();
    removeFolders();
  });

  /** Runs a command that must succeed, and returns what it prints. */
  async function bt(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runBt(args, client(), home);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  const sql = async (query: string): Promise<ApiObject[]> =>
    (JSON.parse(await bt('sql', '--json', query)) as { data: ApiObject[] }).data;

  it('shows traces, spans and the next page', async () => {
    const traces = await bt('view', 'logs', '-p', 'demo', '--limit', '2');
    expect(traces).toContain('returned 2 row(s)');
    const [, cursor] = /next_cursor: (\S+)/.exec(traces) ?? [];
    const rest = await bt('view', 'logs', '-p', 'demo', '--limit', '2', '--cursor', cursor!);
    expect(rest).toContain('returned 2 row(s)');
    expect(rest).toContain(logged.root.id);
    const spans = await bt(
      'view',
      'logs',
      '-p',
      'demo',
      '--list-mode',
      'spans',
      '--filter',
      "metadata.user_id = '1234'",
    );
    expect(spans).toContain('returned 1 row(s)');
    expect(spans).toContain(logged.root.id);
    const found = await bt('view', 'logs', '-p', 'demo', '--search', 'hello');
    expect(found).toContain('returned 1 row(s)');
  });

  it('shows a trace and a whole span', async () => {
    expect(await bt('view', 'trace', '-p', 'demo', '--trace-id', logged.root.trace)).toContain('rows=3');
    const url = `${weir.admin}/app/weir/p/demo/logs?r=${logged.root.trace}`;
    expect(await bt('view', 'trace', '-p', 'demo', '--url', url)).toContain('rows=3');
    const span = JSON.parse(
      await bt('view', 'span', '-p', 'demo', '--id', logged.root.id, '--json'),
    ) as ApiObject;
    expect(span['item']).toMatchObject({
      id: logged.root.id,
      output: 'patched',
      scores: { Factuality: 0.8, correctness: 1 },
    });
  });

  it('runs SQL and shows what is wrong with it', async () => {
    expect(await sql("SELECT count(*) FROM project_logs('demo')")).toEqual([{ 'count(*)': 6 }]);
    expect(await bt('sql', "select: id | from: project_logs('demo') | limit: 1")).toContain('id');
    const { code, stderr } = await runBt(
      ['sql', "SELECT a FROM project_logs('demo') a JOIN b ON 1=1"],
      client(),
      home,
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain('JOIN is not supported');
  });

  it('copies a project into another one', async () => {
    const pulled = await bt('sync', 'pull', 'project_logs:demo', '--window', '24h', '--traces', '100');
    const [, output] = /Output: (\S+)/.exec(pulled) ?? [];
    await bt('sync', 'push', 'project_logs:copy', '--in', `${output}/data`);
    const rows = "SELECT id, root_span_id, input, output, scores, tags FROM project_logs('NAME') ORDER BY id";
    const [original, copy] = await Promise.all(
      ['demo', 'copy'].map((name) => sql(rows.replace('NAME', name))),
    );
    expect(copy).toHaveLength(6);
    expect(copy).toEqual(original);
  });

  it('lists projects, and scorers, of which there are none', async () => {
    expect(await bt('projects', 'list')).toContain('demo');
    const query = `SELECT * FROM project_functions('${logged.project}') WHERE function_type = 'scorer'`;
    expect(await sql(query)).toEqual([]);
  });
});
