// Projects and their tags over Braintrust's REST API.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { expectRefused, projectId, sent, type ApiObject } from '../../../kit/braintrust-api.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import type { AdminServer } from '../../../kit/log-api.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const objects = async (admin: AdminServer, path: string) =>
  (await sent(admin, 'GET', path))['objects'] as ApiObject[];
const namesOf = async (admin: AdminServer, query: string, path = '/v1/project') =>
  (await objects(admin, `${path}?${query}`)).map(({ name }) => String(name));

describe('projects', () => {
  it('are made, read, renamed and removed', async () => {
    const admin = await startAdmin();
    const made = await sent(admin, 'POST', '/v1/project', { name: 'demo' });
    const { id } = made as { id: string };
    expect(await sent(admin, 'POST', '/v1/project', { name: 'demo' })).toEqual(made);
    expect(await sent(admin, 'PUT', '/v1/project', { name: 'demo', org_name: 'weir' })).toEqual(made);
    expect(await sent(admin, 'GET', `/v1/project/${id}`)).toEqual(made);
    const renamed = await sent(admin, 'PATCH', `/v1/project/${id}`, { name: 'other' });
    expect(renamed).toEqual({ ...made, name: 'other' });
    expect(await sent(admin, 'PATCH', `/v1/project/${id}`, { settings: {} })).toEqual(renamed);
    expect(await sent(admin, 'DELETE', `/v1/project/${id}`)).toMatchObject({ id, name: 'other' });
    expect(await expectRefused(admin, 404, 'GET', `/v1/project/${id}`)).toBe(`No such project: ${id}`);
    expect(await expectRefused(admin, 404, 'DELETE', `/v1/project/${id}`)).toBe(
      `No such object: project ${id}`,
    );
  });

  it('are listed in pages, the newest first', async () => {
    const admin = await startAdmin();
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) ids.unshift(await projectId(admin, name));
    const all = await objects(admin, '/v1/project');
    expect(all.map(({ id }) => String(id)).toSorted()).toEqual(ids.toSorted());
    const created = all.map((project) => project['created'] as string);
    expect(created).toEqual(created.toSorted().reverse());
    const pages: unknown[] = [];
    for (let after = ''; ;) {
      const page = await objects(admin, `/v1/project?limit=2&starting_after=${after}`);
      if (page.length === 0) break;
      pages.push(...page);
      after = String(page.at(-1)!['id']);
    }
    expect(pages).toEqual(all);
    expect(await objects(admin, `/v1/project?limit=2&ending_before=${String(all[4]!['id'])}`)).toEqual(
      all.slice(2, 4),
    );
  });

  it('are found by name, ids and organization', async () => {
    const admin = await startAdmin({ args: ['--projects-organizations=weir,staging'] });
    const [a, b] = [await projectId(admin, 'a'), await projectId(admin, 'b')];
    await sent(admin, 'POST', '/v1/project', { name: 'c', org_name: 'staging' });
    expect(await namesOf(admin, 'project_name=a')).toEqual(['a']);
    expect(await namesOf(admin, 'name=b&limit=5')).toEqual(['b']);
    expect(await namesOf(admin, 'project_name=A')).toEqual([]);
    expect((await namesOf(admin, `ids=${a},${b}`)).toSorted()).toEqual(['a', 'b']);
    expect(await namesOf(admin, `ids=${a}&ids=${a}`)).toEqual(['a']);
    expect(await namesOf(admin, 'org_name=staging')).toEqual(['c']);
    expect(await namesOf(admin, 'org_name=none')).toEqual([]);
    expect(await namesOf(admin, 'limit=0')).toEqual([]);
  });

  it.each([
    ['GET', '/v1/project?limit=many', undefined, 'limit: must be a whole number'],
    ['GET', '/v1/project?starting_after=x', undefined, 'starting_after: there is no "x" in this list'],
    ['GET', '/v1/project?ending_before=x', undefined, 'ending_before: there is no "x" in this list'],
    ['POST', '/v1/project', {}, 'name: must be a text of 1 to 256 characters'],
    ['POST', '/v1/project', { name: 'x'.repeat(257) }, 'name: must be a text of 1 to 256 characters'],
    ['POST', '/v1/project', { name: 'a', org_name: 'none' }, 'org_name: there is no such organization'],
  ])('refuse %s %s with the body %o', async (method, path, body, text) => {
    const admin = await startAdmin();
    expect(await expectRefused(admin, 400, method, path, body)).toContain(text);
  });

  it('keep their names apart', async () => {
    const admin = await startAdmin();
    const [a] = [await projectId(admin, 'a'), await projectId(admin, 'b')];
    expect(await expectRefused(admin, 400, 'PATCH', `/v1/project/${a}`, { name: 'b' })).toContain(
      'this name is in use',
    );
  });

  it('say that a change cannot be written', async () => {
    const admin = await startAdmin({ path: folder({ 'projects.json/x': '' }) });
    const id = await projectId(admin, 'a');
    const message = await expectRefused(admin, 503, 'PATCH', `/v1/project/${id}`, { name: 'b' });
    expect(message).toBe('The change cannot be written to disk yet; it is tried again');
  });
});

describe('tags', () => {
  it('are made, replaced, changed, listed and removed', async () => {
    const admin = await startAdmin();
    const [project, other] = [await projectId(admin, 'a'), await projectId(admin, 'b')];
    const tag = { project_id: project, name: 'triage', color: '#ff0000' };
    const made = await sent(admin, 'POST', '/v1/project_tag', tag);
    expect(made).toEqual({
      ...tag,
      id: expect.any(String) as string,
      description: null,
      position: null,
      created: expect.any(String) as string,
      user_id: null,
    });
    expect(await sent(admin, 'POST', '/v1/project_tag', { ...tag, color: '#0f0' })).toEqual(made);
    const replaced = await sent(admin, 'PUT', '/v1/project_tag', { ...tag, description: 'look' });
    expect(replaced).toEqual({ ...made, description: 'look' });
    const path = `/v1/project_tag/${String(made['id'])}`;
    expect(await sent(admin, 'PATCH', path, { color: null, name: 'todo' })).toEqual({
      ...replaced,
      color: null,
      name: 'todo',
    });
    await sent(admin, 'POST', '/v1/project_tag', { project_id: other, name: 'golden' });
    const list = '/v1/project_tag';
    expect(await namesOf(admin, `project_id=${project}`, list)).toEqual(['todo']);
    expect(await namesOf(admin, 'project_name=b', list)).toEqual(['golden']);
    expect(await namesOf(admin, 'project_tag_name=golden', list)).toEqual(['golden']);
    expect(await sent(admin, 'GET', path)).toMatchObject({ name: 'todo' });
    expect(await sent(admin, 'DELETE', path)).toMatchObject({ name: 'todo' });
    expect(await expectRefused(admin, 404, 'GET', path)).toBe(`No such tag: ${String(made['id'])}`);
  });

  it('have a position, which is kept over a restart', async () => {
    const path = folder();
    const first = await startAdmin({ path });
    const project_id = await projectId(first, 'a');
    const tag = await sent(first, 'POST', '/v1/project_tag', { project_id, name: 'x', position: 'a1' });
    const at = `/v1/project_tag/${String(tag['id'])}`;
    expect(await sent(first, 'PATCH', at, { position: 'a2' })).toEqual({ ...tag, position: 'a2' });
    await first.stop();
    const second = await startAdmin({ path });
    expect(await sent(second, 'GET', at)).toMatchObject({ name: 'x', position: 'a2' });
    expect(await expectRefused(second, 400, 'PATCH', at, { position: 1 })).toContain(
      'position: must be a text',
    );
  });

  it('have with with=count the number of their records', async () => {
    const admin = await startAdmin();
    const project_id = await projectId(admin, 'a');
    for (const name of ['golden', 'two words'])
      await sent(admin, 'POST', '/v1/project_tag', { project_id, name });
    await sent(admin, 'POST', `/v1/project_logs/${project_id}/insert`, {
      events: [
        { id: '1', input: 'a', tags: ['golden', 'two words'] },
        { id: '2', tags: ['golden'] },
        { id: '3' },
      ],
    });
    const { objects } = await sent(admin, 'GET', '/v1/project_tag?with=count');
    const counts = (objects as { name: string; count: object }[]).map(({ name, count }) => [name, count]);
    expect(Object.fromEntries(counts)).toEqual({
      golden: { count: 2, is_exact: true },
      'two words': { count: 1, is_exact: true },
    });
  });

  it.each([
    ['POST', '', {}, 400, 'name: must be a text of 1 to 256 characters'],
    ['POST', '', { name: 'a', project_id: 'none' }, 404, 'No such object: project none'],
    ['POST', '', { name: 'a', color: 7 }, 400, 'color: must be a text or null'],
    ['POST', '', { name: 'a', description: 'x'.repeat(2001) }, 400, 'description: must have at most 2000'],
    ['PATCH', '/none', { name: 'a' }, 404, 'No such object: tag none'],
    ['DELETE', '/none', undefined, 404, 'No such object: tag none'],
  ])('refuse %s %s with the body %o', async (method, path, body, status, text) => {
    const admin = await startAdmin();
    expect(await expectRefused(admin, status, method, `/v1/project_tag${path}`, body)).toContain(text);
  });
});
