// A project and its tags, and the text of the file that they are stored in.
// Invariant: reading the text of a file gives the projects and tags that it was made of.

export interface Organization {
  readonly id: string;
  readonly name: string;
}

export interface Project {
  readonly id: string;
  readonly name: string;
  /** Id of its organization. */
  readonly orgId: string;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
}

/** What a project says about a tag. Rows may have other tags, too. */
export interface ProjectTag {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  /** Any text, mostly `#rrggbb`; `null`: none. */
  readonly color: string | null;
  readonly description: string | null;
  /** Clients sort by this text; `null`: the tag has no place of its own. */
  readonly position: string | null;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
}

/** Content of the file. */
export interface ProjectFile {
  readonly projects: readonly Project[];
  readonly tags: readonly ProjectTag[];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const isTextOrNull = (value: unknown): boolean => value === null || typeof value === 'string';

const isProject = (value: unknown): value is Project =>
  isObject(value) &&
  ['id', 'name', 'orgId'].every((name) => typeof value[name] === 'string') &&
  Number.isSafeInteger(value['createdMs']);

const isTag = (value: unknown): value is ProjectTag =>
  isObject(value) &&
  ['id', 'projectId', 'name'].every((name) => typeof value[name] === 'string') &&
  ['color', 'description', 'position'].every((name) => isTextOrNull(value[name] ?? null)) &&
  Number.isSafeInteger(value['createdMs']);

/** Reads the value of a file. Returns `undefined` if it is not one of projects. */
export function readProjectFile(value: unknown): ProjectFile | undefined {
  if (!isObject(value)) return undefined;
  const { projects, tags } = value;
  if (!Array.isArray(projects) || !Array.isArray(tags)) return undefined;
  if (!projects.every(isProject) || !tags.every(isTag)) return undefined;
  // Tags of earlier versions have no position.
  return { projects, tags: tags.map((tag) => ({ ...tag, position: tag.position ?? null })) };
}

export const formatProjectFile = (file: ProjectFile): string => `${JSON.stringify(file)}\n`;
