// What Braintrust's SDK asks before it logs.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { expectRefused, projectId, send, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const LOGIN = '/api/apikey/login';
const REGISTER = '/api/project/register';

describe('a login', () => {
  it('returns the organizations with the address that the client used', async () => {
    const admin = await startAdmin({ args: ['--projects-organizations=weir,staging'] });
    const { org_info: orgs } = await sent(admin, 'POST', LOGIN, '');
    expect(orgs).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        name: 'weir',
        api_url: admin.url,
        git_metadata: null,
        is_universal_api: true,
        proxy_url: 'http://127.0.0.1:8080',
        realtime_url: admin.url.replace('http', 'ws'),
      },
      expect.objectContaining({ name: 'staging' }),
    ]);
  });

  it.each([
    [{ host: 'weir.example.com:9464' }, 'http://weir.example.com:9464', 'http://weir.example.com:8080'],
    [
      { host: 'logs.example.com', 'x-forwarded-proto': 'https' },
      'https://logs.example.com',
      'http://logs.example.com:8080',
    ],
    [{ host: '[::1]:9464' }, 'http://[::1]:9464', 'http://[::1]:8080'],
  ])('is answered with the host of the request: %j', async (headers, api, proxy) => {
    const admin = await startAdmin({ args: ['--admin-key=0123456789abcdef'] });
    const answer = await sent(admin, 'POST', LOGIN, undefined, {
      headers: { ...headers, authorization: 'Bearer 0123456789abcdef' },
    });
    expect((answer['org_info'] as ApiObject[])[0]).toMatchObject({ api_url: api, proxy_url: proxy });
  });

  it.each(['a b', 'evil.com/path', 'x"><script>', '999.999.1.1', 'a:99999'])(
    'ignores a Host that is none: %s',
    async (host) => {
      const admin = await startAdmin({ args: ['--admin-key=0123456789abcdef'] });
      const answer = await sent(admin, 'POST', LOGIN, undefined, {
        headers: { host, authorization: 'Bearer 0123456789abcdef' },
      });
      expect((answer['org_info'] as ApiObject[])[0]).toMatchObject({ api_url: admin.url });
    },
  );

  it('is refused with a wrong key', async () => {
    const admin = await startAdmin({ args: ['--admin-key=0123456789abcdef'] });
    const headers = { authorization: 'Bearer wrong' };
    expect(await expectRefused(admin, 401, 'POST', LOGIN, '', { headers })).toBe('A valid key is required');
  });
});

describe('registering a project', () => {
  it('returns the same project each time, also after a restart', async () => {
    const path = folder();
    const first = await startAdmin({ path });
    const made = await sent(first, 'POST', REGISTER, { project_name: 'demo', org_id: 'x' });
    expect(made).toEqual({
      project: {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        name: 'demo',
        org_id: expect.any(String) as string,
        created: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        user_id: null,
        deleted_at: null,
        settings: null,
      },
      found_existing: false,
    });
    await first.stop();
    const second = await startAdmin({ path });
    expect(await sent(second, 'POST', REGISTER, { project_name: 'demo' })).toEqual({
      ...made,
      found_existing: true,
    });
  });

  it.each([
    ['that is not JSON', '{', 'The request is malformed: the body is not valid JSON'],
    ['without a name', '{}', 'Invalid request: project_name: must be a text'],
    ['that is a list', '[]', 'Invalid request: project_name: must be a text'],
    ['that is too large', `{"project_name":"${'x'.repeat(20_000)}"}`, undefined],
  ])('refuses a body %s', async (_, body, text) => {
    const admin = await startAdmin();
    const message = await expectRefused(admin, text === undefined ? 413 : 400, 'POST', REGISTER, body);
    expect(message).toContain(text ?? 'the limit is 16384 bytes');
  });

  it('needs a key that may write logs', async () => {
    const admin = await startAdmin({ args: ['--admin-key=0123456789abcdef'] });
    const main = { headers: { authorization: 'Bearer 0123456789abcdef' } };
    const body = JSON.stringify({ name: 'reader', scopes: ['logs:read'] });
    const made = await send(admin, 'POST', '/v1/keys', body, main);
    const { key } = JSON.parse(made.text) as { key: string };
    const reader = { headers: { authorization: `Bearer ${key}` } };
    expect((await sent(admin, 'POST', LOGIN, '', reader))['org_info']).toHaveLength(1);
    const message = await expectRefused(admin, 403, 'POST', REGISTER, { project_name: 'a' }, reader);
    expect(message).toContain('this route needs scope logs:write');
  });
});

describe('a project', () => {
  it('is found by its id and by its name', async () => {
    const admin = await startAdmin();
    const id = await projectId(admin, 'demo');
    expect(await sent(admin, 'GET', `/api/project?id=${id}`)).toMatchObject({
      name: 'demo',
      project: { id },
    });
    expect(await sent(admin, 'POST', '/api/project/get', { id })).toMatchObject([{ name: 'demo' }]);
    expect(await sent(admin, 'POST', '/api/project/get', { name: 'demo' })).toMatchObject([{ id }]);
    expect(await sent(admin, 'POST', '/api/project/get', { name: 'other' })).toEqual([]);
  });

  it('is made for an id that is not known, since an error would lose the rows of the client', async () => {
    const admin = await startAdmin();
    const id = '11111111-1111-4111-8111-111111111111';
    expect(await sent(admin, 'GET', `/api/project?id=${id}`)).toMatchObject({ id, name: id });
    expect(await expectRefused(admin, 400, 'GET', '/api/project?id=a%2Fb')).toContain('id: must have');
  });
});

describe('the other questions of the SDK', () => {
  it('are answered', async () => {
    const admin = await startAdmin();
    const version = await sent(admin, 'GET', '/version');
    expect(version['version']).toMatch(/^\d+\.\d+\.\d+-weir$/);
    expect(version).not.toHaveProperty('logs3_payload_max_bytes');
    expect(await sent(admin, 'GET', '/ping')).toEqual({});
    expect(await expectRefused(admin, 404, 'POST', '/api/ai_secret/get', {})).toContain('no keys');
  });
});
