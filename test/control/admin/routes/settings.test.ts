// GET /v1/settings over HTTP.
import { afterEach, describe, expect, it } from 'vitest';
import { explain, load } from '../../../../src/config/config.ts';
import type { SettingList } from '../../../../src/control/admin/answers/settings-answers.ts';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { removeFolders } from '../../../kit/folder.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const ARGS = ['--replica=http://127.0.0.1:1', '--admin-key=a-secret-of-16-letters', '--logs-retention=3d'];
const KEY = { headers: { authorization: 'Bearer a-secret-of-16-letters' } };

async function startWithSettings(): Promise<string> {
  const loaded = load(ARGS, {});
  if (!loaded.ok) throw new Error(loaded.problems.join('; '));
  const settings = () => explain(loaded.config, loaded.given);
  return (await startAdmin({ args: [ARGS[1]!], deps: { settings } })).url;
}

const settingsOf = (text: string) =>
  new Map((JSON.parse(text) as SettingList).settings.map((one) => [one.key, one]));

describe('GET /v1/settings', () => {
  it('shows values and origins, and nothing more without with=docs', async () => {
    const url = await startWithSettings();
    const found = settingsOf((await call(url, '/v1/settings', KEY)).text);
    expect(found.get('logs.retention')).toEqual({
      key: 'logs.retention',
      value: '3d',
      origin: '--logs-retention',
    });
    expect(found.get('admin.key')).toEqual({ key: 'admin.key', value: '***', origin: '--admin-key' });
  });

  it('says with=docs what each setting does, its default, and whether it takes a restart', async () => {
    const url = await startWithSettings();
    const { text } = await call(url, '/v1/settings?with=docs', KEY);
    expect(text).not.toContain('a-secret-of-16-letters');
    const found = settingsOf(text);
    expect(found.get('logs.retention')).toMatchObject({
      value: '3d',
      type: 'duration',
      is_default: false,
      takes_restart: true,
    });
    expect(found.get('logs.retention')!.does).toMatch(/\.$/);
    expect(found.get('pool.probe_interval')).toMatchObject({ origin: 'default', is_default: true });
    expect(found.get('pool.probe_interval')!.default).toBe(found.get('pool.probe_interval')!.value);
    expect(found.get('log.format')!.type).toBe('auto | json | text');
    expect(found.get('deployments[0].replicas[0].url')).toMatchObject({
      default: null,
      is_default: false,
      takes_restart: false,
    });
  });

  it('refuses a part that it does not know', async () => {
    const url = await startWithSettings();
    const { status, text } = await call(url, '/v1/settings?with=doc', KEY);
    expect(status).toBe(400);
    expect(text).toContain('did you mean \\"docs\\"?');
  });
});
