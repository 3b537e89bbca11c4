// Tags and projects as the API has them, and the list of all projects.
import { useAnswer } from '../../api/use-answer.ts';

/** A tag of GET /v1/project_tag. */
export interface Tag {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  readonly color: string | null;
  readonly description: string | null;
  readonly position: string | null;
  readonly created: string;
  /** Only with `with=count`: records that have it, at least so many if it is not exact. */
  readonly count?: { readonly count: number; readonly is_exact: boolean };
}

export interface TagList {
  readonly objects: readonly Tag[];
}

/** A project of GET /v1/project. */
export interface Project {
  readonly id: string;
  readonly name: string;
}

/** All projects, by name. */
export function useProjects(): { readonly projects: readonly Project[]; readonly again: () => void } {
  const { asked, again } = useAnswer<{ readonly objects: readonly Project[] }>({
    path: '/v1/project',
    query: { limit: 1000 },
  });
  return { projects: asked.value.value?.objects ?? [], again };
}
