// The tags of a request, and a form for one more.
// Invariant: a tag that was not saved is in the form again.
import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Button } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { tagColor } from '../../parts/tag-color.ts';
import type { Annotations } from './annotations.ts';
import { author, Focused, IsSaving, SideSection, useDescribed, WRITE } from './side-parts.tsx';

export const Tags = ({ annotations }: { readonly annotations: Annotations }): JSX.Element => {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState('');
  const described = useDescribed('/v1/project_tag', isOpen || annotations.attached.tags.length > 0);
  const listId = useId();
  const off = missing(WRITE);
  useKeys('request', { tag: () => (off === undefined ? setOpen(true) : false) });
  const { tags } = annotations.attached;
  return (
    <SideSection title="Tags" side={<kbd>t</kbd>}>
      <div class="tags">
        {tags.map((one) => (
          <span key={one.tag} class="tag" title={author(one)}>
            <i style={{ background: tagColor(described.get(one.tag)?.color) }} />
            <span class="el">{visibleLine(one.tag)}</span>
            <IsSaving of={one} />
            {one.annotation_id !== undefined && (
              <button
                type="button"
                class="untag"
                aria-label={`Remove the tag ${one.tag}`}
                onClick={() => void annotations.remove('annotation', one.annotation_id!)}
              >
                <Icon name="close" isSmall />
              </button>
            )}
          </span>
        ))}
        {isOpen ? (
          <form
            class="addform"
            onKeyDown={(event) => event.key === 'Escape' && setOpen(false)}
            onSubmit={(event) => {
              event.preventDefault();
              const tag = name.trim();
              if (tag === '') return;
              setOpen(false);
              void annotations
                .add({ kind: 'tag', tag })
                .then((isSaved) => (isSaved ? setName('') : setOpen(true)));
            }}
          >
            <Focused
              class="inp"
              aria-label="Tag"
              placeholder="Tag"
              list={listId}
              value={name}
              onInput={setName}
            />
            <datalist id={listId}>
              {[...described.keys()].map((one) => (
                <option key={one} value={one} />
              ))}
            </datalist>
            <Button type="submit" isSmall>
              Save
            </Button>
          </form>
        ) : (
          <button
            type="button"
            class={off === undefined ? 'tag add' : 'tag add off'}
            aria-disabled={off === undefined ? undefined : true}
            title={off}
            onClick={() => off === undefined && setOpen(true)}
          >
            <Icon name="plus" isSmall />
            tag
          </button>
        )}
      </div>
    </SideSection>
  );
};
