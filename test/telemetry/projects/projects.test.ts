// Projects and tags: ids that never change, and what is stored.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { derivedId } from '../../../src/telemetry/projects/derived-id.ts';
import { Projects, type Project } from '../../../src/telemetry/projects/projects.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { logLines, type LogLine } from '../../kit/log-lines.ts';

afterAll(removeFolders);

const FILE = 'projects.json';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Open {
  readonly projects: Projects;
  readonly lines: LogLine[];
}
async function open(path: string | undefined, max_projects = 1000): Promise<Open> {
  const { log, lines } = logLines();
  const options = { organizations: ['weir', 'staging'], max_projects, max_attachment: 1, max_attachments: 1 };
  const projects = new Projects(options, path, log);
  await projects.start();
  return { projects, lines };
}
const idOf = (projects: Projects, name: string, orgId?: string) => projects.register(name, orgId).project.id;
const storedNames = (path: string) =>
  (JSON.parse(readFileSync(join(path, FILE), 'utf8')) as { projects: Project[] }).projects.map(
    ({ name }) => name,
  );

describe('a derived id', () => {
  it('is a UUID that two lists of names share only if they are equal', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
        expect(derivedId(...a)).toMatch(UUID);
        expect(derivedId(...a) === derivedId(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });

  it('never changes between versions', () => {
    expect(derivedId('project', 'org', 'demo')).toBe('d8fa3fe8-6aec-5a9f-bcd8-f41ff5b347d6');
  });
});

describe('a project', () => {
  it('has the same id each time it is registered, after a restart, and after the file was lost', async () => {
    const path = folder();
    const first = await open(path);
    expect(first.projects.register('demo').isNew).toBe(true);
    expect(first.projects.register('demo').isNew).toBe(false);
    const { project } = first.projects.register('demo');
    await first.projects.stop();
    const second = await open(path);
    expect(second.projects.register('demo')).toEqual({ project, isNew: false });
    await second.projects.stop();
    rmSync(join(path, FILE));
    const third = await open(path);
    expect(idOf(third.projects, 'demo')).toBe(project.id);
  });

  it('is another one in another organization', async () => {
    const { projects } = await open(undefined);
    const [weir, staging] = projects.organizations;
    expect(idOf(projects, 'demo', staging!.id)).not.toBe(idOf(projects, 'demo', weir.id));
    expect(projects.find('demo', staging!.id)!.orgId).toBe(staging!.id);
  });

  it('of an unknown organization is one of the default organization', async () => {
    const { projects } = await open(undefined);
    expect(idOf(projects, 'demo', 'other')).toBe(idOf(projects, 'demo'));
  });

  it('is made for an id that is not known, and gets its name later', async () => {
    const path = folder();
    const { projects } = await open(path);
    const id = derivedId('project', projects.organizations[0].id, 'demo');
    expect(projects.open(id)!.name).toBe(id);
    expect(idOf(projects, 'demo')).toBe(id);
    expect(projects.all.map(({ name }) => name)).toEqual(['demo']);
    expect(projects.open('not an id')).toBeUndefined();
  });

  it('keeps its id when it is renamed, and leaves its name to a new one', async () => {
    const { projects } = await open(folder());
    const id = idOf(projects, 'a');
    expect(await projects.rename(id, 'b')).toMatchObject({ id, name: 'b' });
    const other = idOf(projects, 'a');
    expect(other).not.toBe(id);
    expect(await projects.rename(other, 'b')).toBe('name_taken');
    expect(await projects.rename('none', 'c')).toBe('unknown');
    expect(projects.find('b')!.id).toBe(id);
  });

  it('leaves the list with its tags when it is removed', async () => {
    const path = folder();
    const { projects } = await open(path);
    const id = idOf(projects, 'a');
    await projects.makeTag(id, { name: 'triage' }, false);
    expect(await projects.remove(id)).toMatchObject({ id });
    expect([projects.all, projects.tags, projects.find('a')]).toEqual([[], [], undefined]);
    expect(storedNames(path)).toEqual([]);
    expect(idOf(projects, 'a')).toBe(id);
  });

  it('is registered but not listed when there are too many, and the log says so once', async () => {
    const { projects, lines } = await open(folder(), 2);
    const ids = ['a', 'b', 'c', 'd'].map((name) => idOf(projects, name));
    expect(new Set(ids).size).toBe(4);
    expect(projects.all).toHaveLength(2);
    expect(idOf(projects, 'c')).toBe(ids[2]);
    expect(lines.map(({ event }) => event)).toEqual([
      'there are too many projects; further ones are not listed',
    ]);
  });
});

describe('the file of projects', () => {
  it('may be missing a disk to write to: registering works, changes are refused until there is one', async () => {
    const path = join(folder(), 'data');
    mkdirSync(path);
    // A folder in the place of the file, so that it cannot be replaced.
    mkdirSync(join(path, FILE));
    writeFileSync(join(path, FILE, 'x'), '');
    const { projects, lines } = await open(path);
    const id = idOf(projects, 'a');
    expect(await projects.rename(id, 'b')).toBe('unwritten');
    expect(projects.get(id)!.name).toBe('b');
    rmSync(join(path, FILE, 'x'));
    rmdirSync(join(path, FILE));
    expect(await projects.makeTag(id, { name: 'triage' }, false)).toMatchObject({ projectId: id });
    await projects.stop();
    expect(storedNames(path)).toEqual(['b']);
    expect(lines.map(({ event }) => event)).toEqual([
      'stored projects cannot be read',
      'projects cannot be written; they are kept in memory',
    ]);
  });

  it.each(['{', '[]', '{"projects":[{"id":1}],"tags":[]}', '{"projects":[]}'])(
    'is set aside if it is damaged: %s',
    async (text) => {
      const path = folder({ [FILE]: text });
      const { projects, lines } = await open(path);
      expect(projects.all).toEqual([]);
      expect(readdirSync(path)).toEqual([expect.stringMatching(/^projects\.json\.damaged-\d+$/)]);
      expect(lines.map(({ event }) => event)).toEqual(['stored projects are damaged']);
    },
  );

  it('has all projects that are registered in a short time', async () => {
    const path = folder();
    const { projects } = await open(path);
    for (let i = 0; i < 500; i++) projects.register(`p${i}`);
    await projects.stop();
    expect(storedNames(path)).toHaveLength(500);
  });
});

describe('a tag of a project', () => {
  it('is made once, replaced or changed, and removed', async () => {
    const path = folder();
    const { projects } = await open(path);
    const id = idOf(projects, 'a');
    const tag = await projects.makeTag(id, { name: 'triage', color: '#f00' }, false);
    expect(tag).toMatchObject({ projectId: id, name: 'triage', color: '#f00', description: null });
    expect(await projects.makeTag(id, { name: 'triage', color: '#0f0' }, false)).toEqual(tag);
    expect(await projects.makeTag(id, { name: 'triage', color: '#0f0' }, true)).toEqual({
      ...(tag as object),
      color: '#0f0',
    });
    const { id: tagId } = tag as { id: string };
    const changed = await projects.changeTag(tagId, { description: 'look at it' });
    expect(changed).toMatchObject({ name: 'triage', color: '#0f0', description: 'look at it' });
    await projects.stop();
    const again = await open(path);
    expect(again.projects.tags).toEqual([changed]);
    expect(await again.projects.removeTag(tagId)).toEqual(changed);
    expect(again.projects.tags).toEqual([]);
  });

  it('of an earlier version has no position', async () => {
    const path = folder();
    const tag = { id: 't', projectId: 'p', name: 'x', color: null, description: null, createdMs: 1 };
    writeFileSync(join(path, FILE), JSON.stringify({ projects: [], tags: [tag] }));
    const { projects, lines } = await open(path);
    expect(projects.tag('t')).toEqual({ ...tag, position: null });
    expect(lines).toEqual([]);
  });

  it('needs a project, a free name and room', async () => {
    const { projects } = await open(undefined);
    const id = idOf(projects, 'a');
    expect(await projects.makeTag('none', { name: 'x' }, false)).toBe('unknown');
    for (let i = 0; i < 500; i++) await projects.makeTag(id, { name: `t${i}` }, false);
    expect(await projects.makeTag(id, { name: 'x' }, false)).toBe('too_many');
    const second = projects.tagsOf(id).find(({ name }) => name === 't1')!;
    expect(await projects.changeTag(second.id, { name: 't0' })).toBe('name_taken');
    expect(await projects.changeTag('none', {})).toBe('unknown');
    expect(await projects.removeTag('none')).toBe('unknown');
  });
});
