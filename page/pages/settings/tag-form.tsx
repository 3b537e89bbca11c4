// The form of one tag.
// Invariant: only what was changed here is sent, so that a change of another client stays.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button } from '../../parts/basics.tsx';
import { Field, Refusal, useSending } from '../../parts/form.tsx';
import { TAG_COLORS } from '../../parts/tag-color.ts';
import type { Project, Tag } from './tag-json.ts';

export const TagForm = ({
  of: old,
  tags,
  projects,
  off,
  onClose,
  onSaved,
}: {
  readonly of: Tag | undefined;
  /** All tags: a name is that of one. */
  readonly tags: readonly Tag[];
  readonly projects: readonly Project[];
  /** Why nothing can be saved. */
  readonly off: string | undefined;
  readonly onClose: () => void;
  readonly onSaved: () => void;
}): JSX.Element => {
  const [name, setName] = useState(old?.name ?? '');
  const [description, setDescription] = useState(old?.description ?? '');
  const [color, setColor] = useState(old?.color ?? 's1');
  const [typedProject, setProject] = useState<string>();
  // The projects may come after the form.
  const project = typedProject ?? projects[0]?.name ?? '';
  const sending = useSending();
  // weir would return the one that exists, and what was entered here would be lost.
  const projectId = old?.project_id ?? projects.find((one) => one.name === project.trim())?.id;
  const isTaken = tags.some(
    (one) => one.id !== old?.id && one.project_id === projectId && one.name === name.trim(),
  );
  const why =
    off ??
    (name.trim() === ''
      ? 'Give it a name.'
      : old === undefined && project.trim() === ''
        ? 'Name a project.'
        : isTaken
          ? 'A tag of this name exists.'
          : sending.isSending
            ? 'It is being saved.'
            : undefined);
  const save = async (): Promise<void> => {
    if (why !== undefined) return;
    const fields = {
      name: name.trim(),
      color,
      description: description.trim() === '' ? null : description.trim(),
    };
    if (old !== undefined) {
      const changes = Object.fromEntries(
        Object.entries(fields).filter(([field, value]) => value !== old[field as keyof typeof fields]),
      );
      if (await sending.send('PATCH', `/v1/project_tag/${encodeURIComponent(old.id)}`, changes)) onSaved();
      return;
    }
    // A project of this name is returned as it is, or made.
    const made = await sending.send('POST', '/v1/project', { name: project.trim() });
    if (!made) return;
    const { id } = made.value as Project;
    if (await sending.send('POST', '/v1/project_tag', { project_id: id, ...fields })) onSaved();
  };
  useKeys('lists', { save: () => void save() });
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div class="ph">
        <h2 class="el">{old === undefined ? 'New tag' : visibleLine(old.name)}</h2>
      </div>
      <div class="form">
        <Field label="Name" value={name} onInput={setName} placeholder="triage" isFirst />
        <Field
          label="Meaning"
          value={description}
          onInput={setDescription}
          placeholder="A person has to look at it"
        />
        <fieldset>
          <legend class="lbl">Colour</legend>
          <div class="row colors">
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
                    .map(({ name: one }) => visibleLine(one))
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
