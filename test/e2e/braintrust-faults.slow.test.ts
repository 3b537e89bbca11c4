// Braintrust's SDK, unmodified, when much is logged, when weir is killed, and with keys.
import { afterEach, describe, expect, it } from 'vitest';
import { byId, fetchAll, sent, type ApiObject } from '../kit/braintrust-api.ts';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const REPLICA = '--replica=http://127.0.0.1:1';
const KEY = 'a-key-with-all-scopes';

afterEach(async () => {
  await stopAll();
  removeFolders();
});

const clientOf = (weir: Weir, key = 'any') => ({ BRAINTRUST_APP_URL: weir.admin, BRAINTRUST_API_KEY: key });

/** Ids of all rows of a project. Reads pages of 1000 traces. */
const rowsOf = async (weir: Weir, project: string) =>
  byId(await fetchAll({ url: weir.admin }, project, { limit: 1000 }));

describe.skipIf(clientsAreMissing)("Braintrust's SDK", () => {
  it('logs 15,000 spans in one burst, and a row of 9 MB', async () => {
    const weir = await startWeir([REPLICA, '--data-dir', folder()]);
    const { code, stdout, stderr } = await runClient(
      'bt-burst.mjs',
      // Each call is two rows. By default the SDK drops what exceeds 15,000 rows.
      { ...clientOf(weir), BRAINTRUST_QUEUE_DROP_EXCEEDING_MAXSIZE: '40000' },
      ['15000', '9000000'],
      120_000,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { project } = JSON.parse(stdout) as { project: string };
    const rows = Object.values(await rowsOf(weir, project));
    expect(rows).toHaveLength(15_001);
    const numbers = rows.map(({ metadata }) => (metadata as ApiObject | undefined)?.['i']);
    expect(new Set(numbers).size).toBe(15_001);
    const large = rows.find(({ id }) => id === 'large')!;
    expect(large['metadata']).toMatchObject({ _weir_truncated: true });
  }, 180_000);

  it('has rows that were answered after weir was killed, and logs on', async () => {
    const data = folder();
    const first = await startWeir([REPLICA, '--data-dir', data]);
    const run = async (weir: Weir) => {
      const { code, stdout } = await runClient('bt-burst.mjs', clientOf(weir), ['300', '10']);
      expect(code).toBe(0);
      return (JSON.parse(stdout) as { project: string }).project;
    };
    const project = await run(first);
    await first.stop('SIGKILL');
    const second = await startWeir([REPLICA, '--data-dir', data]);
    expect(Object.keys(await rowsOf(second, project))).toHaveLength(301);
    expect(await run(second)).toBe(project);
    expect(Object.keys(await rowsOf(second, project))).toHaveLength(601);
  });

  it('logs with a key that may write logs, and says so with a wrong one', async () => {
    const weir = await startWeir([REPLICA, '--data-dir', folder(), `--admin-key=${KEY}`]);
    const admin = { url: weir.admin };
    const main = { headers: { authorization: `Bearer ${KEY}` } };
    const made = await fetch(`${weir.admin}/v1/keys`, {
      method: 'POST',
      headers: { ...main.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'app', scopes: ['logs:write'] }),
    });
    const { key } = (await made.json()) as { key: string };
    const { stdout, stderr } = await runClient('bt-burst.mjs', clientOf(weir, key), ['3', '3']);
    expect(stderr).toBe('');
    const { project } = JSON.parse(stdout) as { project: string };
    const page = await sent(admin, 'GET', `/v1/project_logs/${project}/fetch`, undefined, main);
    expect(page['events']).toHaveLength(4);
    const wrong = await runClient('bt-burst.mjs', clientOf(weir, 'wrong'), ['1', '1']);
    expect(wrong.stderr).toContain('401');
  });

  it('logs to the organization that it names', async () => {
    const weir = await startWeir([REPLICA, '--data-dir', folder(), '--projects-organizations=weir,staging']);
    const env = { ...clientOf(weir), BRAINTRUST_ORG_NAME: 'staging' };
    const { stderr } = await runClient('bt-burst.mjs', env, ['3', '3']);
    expect(stderr).toBe('');
    const ofStaging = await sent({ url: weir.admin }, 'GET', '/v1/project?org_name=staging');
    expect(ofStaging['objects']).toMatchObject([{ name: 'burst' }]);
  });
});

it('keeps attachments and the URLs to download them when it is killed', async () => {
  const data = folder();
  const first = await startWeir([REPLICA, '--data-dir', data]);
  const { signedUrl } = await sent({ url: first.admin }, 'POST', '/attachment', { key: 'k' });
  expect((await fetch(signedUrl as string, { method: 'PUT', body: 'content' })).status).toBe(200);
  const { downloadUrl } = await sent({ url: first.admin }, 'GET', '/attachment?key=k');
  await first.stop('SIGKILL');
  const second = await startWeir([REPLICA, '--data-dir', data]);
  const { pathname, search } = new URL(downloadUrl as string);
  expect(await (await fetch(second.admin + pathname + search)).text()).toBe('content');
});
