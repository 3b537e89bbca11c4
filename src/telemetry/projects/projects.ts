// Projects of applications that log to weir, and the tags that projects describe. Answers come from memory; changes are
// written to a file in the background. Other modules import only this file.
//   project.ts      a project, a tag, their file   derived-id.ts  ids that follow from names
//   attachments.ts  files that rows refer to       options.ts     the settings
// Invariant: registering a project never fails, and the same name gives the same id, even on a full disk and after the
// file was lost.
import { join } from 'node:path';
import { readJsonFile, setAside, writeAtomic } from '../../core/atomic-file.ts';
import { describe } from '../../core/errors.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { derivedId } from './derived-id.ts';
import type { ProjectsOptions } from './options.ts';
import {
  formatProjectFile,
  readProjectFile,
  type Organization,
  type Project,
  type ProjectTag,
} from './project.ts';

export { Attachments, type StoredAttachment, type UploadProblem } from './attachments.ts';
export type { Organization, Project, ProjectTag } from './project.ts';

const FILE = 'projects.json';
/** Time after which a failed write is tried again, in milliseconds. */
const RETRY_MS = 10_000;

/** Limits of texts, in characters, and of tags. */
export const PROJECT_LIMITS = { name: 256, description: 2000, tags: 500 } as const;

/** Ids of projects that clients may choose. */
const CHOSEN_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Why a change was not made. `unwritten`: it holds in memory, but is not on disk yet. */
export type ChangeProblem = 'unknown' | 'name_taken' | 'too_many' | 'unwritten';

/** What a client says about a tag. An absent field is not changed. */
export type TagChange = Partial<Pick<ProjectTag, 'name' | 'color' | 'description' | 'position'>>;

export class Projects implements Component {
  readonly name = 'projects';
  /** The first is the default. */
  readonly organizations: readonly [Organization, ...Organization[]];
  readonly #max: number;
  readonly #file: string | undefined;
  readonly #log: Logger;
  readonly #projects = new Map<string, Project>();
  /** Projects by organization and name. */
  readonly #named = new Map<string, Project>();
  readonly #tags = new Map<string, ProjectTag>();
  /** The write that has not begun yet; it includes all changes up to now. */
  #next: Promise<boolean> | undefined;
  /** The write that was begun last. */
  #written: Promise<boolean> = Promise.resolve(true);
  #retry: NodeJS.Timeout | undefined;
  #isUnwritten = false;
  #isFull = false;

  /** `folder`: where the file is; `undefined`: nothing is stored. */
  constructor({ organizations, max_projects }: ProjectsOptions, folder: string | undefined, log: Logger) {
    const [first = 'weir', ...others] = organizations;
    const organization = (name: string): Organization => ({ id: derivedId('organization', name), name });
    this.organizations = [organization(first), ...others.map(organization)];
    this.#max = max_projects;
    this.#file = folder === undefined ? undefined : join(folder, FILE);
    this.#log = log;
  }

  /** Reads the file. Without a usable one all ids are derived again. */
  async start(): Promise<void> {
    if (this.#file === undefined) return;
    try {
      await this.#read(this.#file);
    } catch (error) {
      this.#log.warn('stored projects cannot be read', { file: this.#file, problem: describe(error) });
    }
  }

  /** Resolves when the last change was written, or could not be. */
  async stop(): Promise<void> {
    await (this.#isUnwritten ? this.#store() : (this.#next ?? this.#written));
    clearTimeout(this.#retry);
  }

  /** All projects, the newest first. */
  get all(): readonly Project[] {
    return Array.from(this.#projects.values()).toSorted(newestFirst);
  }

  get(id: string): Project | undefined {
    return this.#projects.get(id);
  }

  /** Finds a project by its name, in an organization or in any. */
  find(name: string, orgId?: string): Project | undefined {
    const orgs = orgId === undefined ? this.organizations.map(({ id }) => id) : [orgId];
    return orgs.map((id) => this.#named.get(nameKey(id, name))).find((project) => project !== undefined);
  }

  /** Returns the project of this name, which is made if there is none. An unknown organization counts as the default. */
  register(name: string, orgId?: string): { readonly project: Project; readonly isNew: boolean } {
    const org = this.organizations.find(({ id }) => id === orgId) ?? this.organizations[0];
    const known = this.find(name, org.id);
    if (known) return { project: known, isNew: false };
    const id = this.#idFor(org.id, name);
    // It was made for rows that named only its id, for example after the file was lost.
    const unnamed = this.#projects.get(id);
    const project = unnamed ? { ...unnamed, name } : { id, name, orgId: org.id, createdMs: Date.now() };
    this.#keep(project);
    return { project, isNew: true };
  }

  /** Returns the project with this id, which is made if there is none. `undefined`: this is not an id. */
  open(id: string): Project | undefined {
    const known = this.#projects.get(id);
    if (known || !CHOSEN_ID.test(id)) return known;
    const project = { id, name: id, orgId: this.organizations[0].id, createdMs: Date.now() };
    this.#keep(project);
    return project;
  }

  /** Names a project. Resolves when that is on disk. */
  async rename(id: string, name: string): Promise<Project | ChangeProblem> {
    const project = this.#projects.get(id);
    if (project === undefined) return 'unknown';
    const other = this.find(name, project.orgId);
    if (other !== undefined && other.id !== id) return 'name_taken';
    const renamed = { ...project, name };
    this.#set(renamed);
    return (await this.#store()) ? renamed : 'unwritten';
  }

  /** Removes a project and its tags. Its rows stay as long as other records. Resolves when that is on disk. */
  async remove(id: string): Promise<Project | ChangeProblem> {
    const project = this.#projects.get(id);
    if (project === undefined) return 'unknown';
    this.#projects.delete(id);
    this.#named.delete(nameKey(project.orgId, project.name));
    for (const tag of this.tagsOf(id)) this.#tags.delete(tag.id);
    return (await this.#store()) ? project : 'unwritten';
  }

  /** All tags, the newest first. */
  get tags(): readonly ProjectTag[] {
    return Array.from(this.#tags.values()).toSorted(newestFirst);
  }

  tag(id: string): ProjectTag | undefined {
    return this.#tags.get(id);
  }

  tagsOf(projectId: string): readonly ProjectTag[] {
    return this.tags.filter((tag) => tag.projectId === projectId);
  }

  /**
   * Makes a tag of a project. A tag of that name is returned as it is, or with the changes if `replaces`. Resolves when
   * that is on disk.
   */
  async makeTag(
    projectId: string,
    { name, color = null, description = null, position = null }: TagChange & { readonly name: string },
    replaces: boolean,
  ): Promise<ProjectTag | ChangeProblem> {
    if (!this.#projects.has(projectId)) return 'unknown';
    const tags = this.tagsOf(projectId);
    const known = tags.find((tag) => tag.name === name);
    if (known && !replaces) return known;
    if (!known && tags.length >= PROJECT_LIMITS.tags) return 'too_many';
    const id = known?.id ?? this.#tagIdFor(projectId, name);
    return this.#keepTag({
      id,
      projectId,
      name,
      color,
      description,
      position,
      createdMs: known?.createdMs ?? Date.now(),
    });
  }

  /** Changes a tag. Resolves when that is on disk. */
  async changeTag(id: string, change: TagChange): Promise<ProjectTag | ChangeProblem> {
    const tag = this.#tags.get(id);
    if (tag === undefined) return 'unknown';
    const changed = { ...tag, ...change };
    const isTaken = this.tagsOf(tag.projectId).some((one) => one.id !== id && one.name === changed.name);
    return isTaken ? 'name_taken' : this.#keepTag(changed);
  }

  /** Removes a tag. Resolves when that is on disk. */
  async removeTag(id: string): Promise<ProjectTag | ChangeProblem> {
    const tag = this.#tags.get(id);
    if (tag === undefined) return 'unknown';
    this.#tags.delete(id);
    return (await this.#store()) ? tag : 'unwritten';
  }

  async #keepTag(tag: ProjectTag): Promise<ProjectTag | ChangeProblem> {
    this.#tags.set(tag.id, tag);
    return (await this.#store()) ? tag : 'unwritten';
  }

  /** The id of a new project. A renamed project keeps its id, so the id of its earlier name may be in use. */
  #idFor(orgId: string, name: string): string {
    for (let n = 0; ; n++) {
      const id = derivedId('project', orgId, name, ...(n === 0 ? [] : [String(n)]));
      const other = this.#projects.get(id);
      if (other === undefined || other.name === id) return id;
    }
  }

  #tagIdFor(projectId: string, name: string): string {
    for (let n = 0; ; n++) {
      const id = derivedId('tag', projectId, name, ...(n === 0 ? [] : [String(n)]));
      if (!this.#tags.has(id)) return id;
    }
  }

  /** Lists a project if there is room. */
  #keep(project: Project): void {
    if (this.#projects.size >= this.#max && !this.#projects.has(project.id)) {
      if (!this.#isFull)
        this.#log.warn('there are too many projects; further ones are not listed', {
          limit: this.#max,
          setting: 'projects.max_projects',
        });
      this.#isFull = true;
      return;
    }
    if (project.name.length > PROJECT_LIMITS.name) return;
    this.#set(project);
    void this.#store();
  }

  #set(project: Project): void {
    const before = this.#projects.get(project.id);
    if (before) this.#named.delete(nameKey(before.orgId, before.name));
    this.#projects.set(project.id, project);
    this.#named.set(nameKey(project.orgId, project.name), project);
  }

  async #read(file: string): Promise<void> {
    const unusable = (aside: string) => this.#log.warn('stored projects are damaged', { file, aside });
    const value = await readJsonFile(file, unusable);
    if (value === undefined) return;
    const stored = readProjectFile(value);
    if (stored === undefined) return unusable(await setAside(file));
    for (const project of stored.projects) this.#set(project);
    for (const tag of stored.tags) this.#tags.set(tag.id, tag);
  }

  /** Writes all changes up to now. Resolves to false if that failed; it is tried again later. */
  #store(): Promise<boolean> {
    this.#next ??= this.#written.then(() => {
      this.#next = undefined;
      this.#written = this.#write();
      return this.#written;
    });
    return this.#next;
  }

  async #write(): Promise<boolean> {
    clearTimeout(this.#retry);
    if (this.#file === undefined) return true;
    const content = { projects: [...this.#projects.values()], tags: [...this.#tags.values()] };
    try {
      await writeAtomic(this.#file, formatProjectFile(content));
      this.#isUnwritten = false;
      return true;
    } catch (error) {
      if (!this.#isUnwritten)
        this.#log.warn('projects cannot be written; they are kept in memory', {
          file: this.#file,
          problem: describe(error),
        });
      this.#isUnwritten = true;
      this.#retry = setTimeout(() => void this.#store(), RETRY_MS).unref();
      return false;
    }
  }
}

const nameKey = (orgId: string, name: string): string => `${orgId} ${name}`;

/** Those of the same time by id, so that the order is always the same. */
const newestFirst = (
  a: { readonly createdMs: number; readonly id: string },
  b: { readonly createdMs: number; readonly id: string },
): number => b.createdMs - a.createdMs || (a.id < b.id ? -1 : 1);
