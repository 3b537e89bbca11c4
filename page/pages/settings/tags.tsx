// Settings, Tags: what tags mean and which colour they have, by project. Tags that are not here can be written too.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { useKeys } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Button, Time } from '../../parts/basics.tsx';
import { change, Confirm, Field, NewButton, Refusal, SectionHead, useSending } from '../../parts/form.tsx';
import { Answered } from '../../parts/panel.tsx';
import { TAG_COLORS, tagColor } from '../../parts/tag-color.ts';
import { addressOf } from '../../routes.ts';

/** A tag of GET /v1/project_tag. */
interface Tag {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  readonly color: string | null;
  readonly description: string | null;
  readonly created: string;
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

export const Tags = (): JSX.Element => {
  const live = useAnswer<{ readonly objects: readonly Tag[] }>({
    path: '/v1/project_tag',
    query: { limit: 1000 },
  });
  const { projects, again } = useProjects();
  const [edited, setEdited] = useState<Tag | 'new'>();
  const off = missing('logs:write');
  useKeys('lists', { new: () => void (off === undefined && setEdited('new')) });
  return (
    <>
      <SectionHead
        title="Tags"
        side={
          <NewButton off={off} onClick={() => setEdited('new')}>
            Tag
          </NewButton>
        }
      >
        For sorting requests and traces by hand. Here a tag gets a colour and a meaning; one that is not in
        this list can be written all the same.
      </SectionHead>
      <div class={edited === undefined ? 'one' : 'two'}>
        <section class="panel">
          <Answered live={live} words="Reading the tags…">
            {({ objects }) =>
              objects.length === 0 ? (
                <div class="empty">No tag is described yet.</div>
              ) : (
                <table>
                  <thead>
                    <tr>
                      <th>Tag</th>
                      <th>Meaning</th>
                      <th>Project</th>
                      <th>Since</th>
                      <th>
                        <span class="vh">Actions</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {objects.map((tag) => (
                      <tr key={tag.id}>
                        <td>
                          <a
                            class="tag"
                            href={addressOf(
                              { page: 'logs' },
                              { q: `tags:${JSON.stringify(tag.name)}`, since: '7d' },
                            )}
                          >
                            <i style={{ background: tagColor(tag.color) }} />
                            {tag.name}
                          </a>
                        </td>
                        <td class="mid">{tag.description ?? <span class="dim">–</span>}</td>
                        <td>{projects.find(({ id }) => id === tag.project_id)?.name ?? tag.project_id}</td>
                        <td>
                          <Time ms={Date.parse(tag.created)} digits="minutes" />
                        </td>
                        <td class="r">
                          <Button
                            isSmall
                            kind="quiet"
                            off={off}
                            label={`Edit ${tag.name}`}
                            onClick={() => setEdited(tag)}
                          >
                            Edit
                          </Button>
                          <Confirm
                            off={off}
                            label={`Remove ${tag.name}`}
                            effect="Requests keep the tag."
                            onConfirm={() =>
                              void change('DELETE', `/v1/project_tag/${encodeURIComponent(tag.id)}`).then(
                                (isDone) => isDone && live.again(),
                              )
                            }
                          >
                            Remove
                          </Confirm>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )
            }
          </Answered>
        </section>
        {edited !== undefined && (
          <TagForm
            key={edited === 'new' ? 'new' : edited.id}
            of={edited === 'new' ? undefined : edited}
            projects={projects}
            onClose={() => setEdited(undefined)}
            onSaved={() => {
              setEdited(undefined);
              live.again();
              again();
            }}
          />
        )}
      </div>
    </>
  );
};

const TagForm = ({
  of: old,
  projects,
  onClose,
  onSaved,
}: {
  readonly of: Tag | undefined;
  readonly projects: readonly Project[];
  readonly onClose: () => void;
  readonly onSaved: () => void;
}): JSX.Element => {
  const [name, setName] = useState(old?.name ?? '');
  const [description, setDescription] = useState(old?.description ?? '');
  const [color, setColor] = useState(old?.color ?? 's1');
  const [project, setProject] = useState(
    projects.find(({ id }) => id === old?.project_id)?.name ?? projects[0]?.name ?? '',
  );
  const sending = useSending();
  const save = async (): Promise<void> => {
    const fields = { name: name.trim(), color, description: description === '' ? null : description };
    if (old !== undefined) {
      if (await sending.send('PATCH', `/v1/project_tag/${encodeURIComponent(old.id)}`, fields)) onSaved();
      return;
    }
    // A project of this name is returned as it is, or made.
    const made = await sending.send('POST', '/v1/project', { name: project.trim() });
    if (!made) return;
    const { id } = made.value as Project;
    if (await sending.send('POST', '/v1/project_tag', { project_id: id, ...fields })) onSaved();
  };
  useKeys('lists', { save: () => void save() });
  const why = name.trim() === '' ? 'Give it a name.' : project.trim() === '' ? 'Name a project.' : undefined;
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        if (why === undefined) void save();
      }}
    >
      <div class="ph">
        <h2>{old === undefined ? 'New tag' : old.name}</h2>
      </div>
      <div class="form">
        <Field label="Name" value={name} onInput={setName} placeholder="triage" />
        <Field
          label="Meaning"
          value={description}
          onInput={setDescription}
          placeholder="A person has to look at it"
        />
        <fieldset>
          <legend class="lbl">Colour</legend>
          <div class="row">
            {TAG_COLORS.map((one, i) => (
              <label key={one} class="tag">
                <input
                  type="radio"
                  name="color"
                  checked={color === one}
                  aria-label={`Colour ${i + 1}`}
                  onChange={() => setColor(one)}
                />
                <i style={{ background: `var(--${one})` }} />
              </label>
            ))}
          </div>
        </fieldset>
        {old === undefined && (
          <Field
            label="Project"
            value={project}
            onInput={setProject}
            hint={
              projects.length === 0
                ? 'A project of this name is made.'
                : `One of ${projects
                    .slice(0, 5)
                    .map(({ name: one }) => one)
                    .join(', ')}; another name makes a new one.`
            }
          />
        )}
        <Refusal error={sending.error} />
      </div>
      <div class="formfoot">
        <span class="grow" />
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" off={why}>
          Save
        </Button>
      </div>
    </form>
  );
};
