// Settings, Tags: what tags mean, which colour they have, and their order. Tags that are not here can be written too.
// Invariant: the order can be changed by dragging and by keys alike, and is said after each move.
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { count, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { me, missing } from '../../me.ts';
import { Button, Num, Time } from '../../parts/basics.tsx';
import { change, Confirm, NewButton, SectionHead } from '../../parts/form.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Answered } from '../../parts/panel.tsx';
import { tagColor } from '../../parts/tag-color.ts';
import { addressOf } from '../../routes.ts';
import { announce } from '../../state.ts';
import { TagForm } from './tag-form.tsx';
import { useProjects, type Project, type Tag, type TagList } from './tag-json.ts';
import { useTagMoves, type TagMoves } from './tag-moves.ts';

const PATH = '/v1/project_tag';

export const Tags = (): JSX.Element => {
  const live = useAnswer<TagList>({ path: PATH, query: { limit: 1000 } });
  // Counting takes a moment, and the list does not wait for it.
  const counted = useAnswer<TagList>({ path: PATH, query: { limit: 1000, with: 'count' } });
  const { projects, again } = useProjects();
  const [edited, setEdited] = useState<Tag | 'new'>();
  const off = missing('logs:write');
  useKeys('lists', { new: () => (off === undefined ? setEdited('new') : false) });
  const moves = useTagMoves(live);
  const refresh = (): void => {
    live.again();
    counted.again();
    again();
  };
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
                <TagTable
                  moves={moves}
                  counts={counted.asked.value.value?.objects ?? []}
                  projects={projects}
                  off={off}
                  onEdit={setEdited}
                  onRemoved={refresh}
                />
              )
            }
          </Answered>
        </section>
        {edited !== undefined && (
          <TagForm
            key={edited === 'new' ? 'new' : edited.id}
            of={edited === 'new' ? undefined : edited}
            tags={moves.tags}
            projects={projects}
            off={off}
            onClose={() => setEdited(undefined)}
            onSaved={() => {
              setEdited(undefined);
              refresh();
            }}
          />
        )}
      </div>
    </>
  );
};

interface TableProps {
  readonly moves: TagMoves<Tag>;
  /** The same tags with their counts, when these are known. */
  readonly counts: readonly Tag[];
  readonly projects: readonly Project[];
  readonly off: string | undefined;
  readonly onEdit: (tag: Tag) => void;
  readonly onRemoved: () => void;
}

const TagTable = ({
  moves: { tags, move },
  counts,
  projects,
  off,
  onEdit,
  onRemoved,
}: TableProps): JSX.Element => {
  /** Index of the tag that is dragged, and of the row it is over. */
  const [drag, setDrag] = useState<{ readonly from: number; readonly over: number }>();
  const body = useRef<HTMLTableSectionElement>(null);
  const movedId = useRef<string | undefined>(undefined);
  // A row that is put elsewhere in the document loses the focus.
  useLayoutEffect(() => {
    if (movedId.current === undefined) return;
    const row = [...(body.current?.rows ?? [])][tags.findIndex(({ id }) => id === movedId.current)];
    row?.querySelector<HTMLElement>('.grip')?.focus();
    movedId.current = undefined;
  });
  const moveTo = (from: number, to: number): void => {
    if (off !== undefined || to < 0 || to >= tags.length || from === to) return;
    movedId.current = tags[from]!.id;
    move(from, to);
    announce(`${tags[from]!.name} is now number ${to + 1} of ${tags.length}`);
  };
  return (
    <table class="cards tagtable">
      <thead>
        <tr>
          <th>
            <span class="vh">Order</span>
          </th>
          <th>Tag</th>
          <th>Meaning</th>
          <th>Project</th>
          <th class="n">Records</th>
          <th>Since</th>
          <th>
            <span class="vh">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {tags.map((tag, i) => (
          <tr
            key={tag.id}
            class={drag?.over === i && drag.from !== i ? (drag.from < i ? 'below' : 'above') : ''}
            onDragOver={(event) => {
              if (drag === undefined) return;
              event.preventDefault();
              if (drag.over !== i) setDrag({ ...drag, over: i });
            }}
            onDrop={(event) => {
              event.preventDefault();
              if (drag !== undefined) moveTo(drag.from, i);
              setDrag(undefined);
            }}
            onKeyDown={(event) => {
              const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
              if (step === undefined || !event.altKey) return;
              event.preventDefault();
              moveTo(i, i + step);
            }}
          >
            <td>
              <button
                type="button"
                class="ib grip"
                draggable={off === undefined}
                aria-label={`Move ${tag.name}`}
                aria-disabled={off === undefined ? undefined : true}
                aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown"
                title={off ?? 'Drag it, or press Alt ↑ or Alt ↓'}
                onDragStart={(event) => {
                  event.dataTransfer?.setData('text/plain', tag.name);
                  setDrag({ from: i, over: i });
                }}
                onDragEnd={() => setDrag(undefined)}
              >
                <Icon name="more" isSmall />
              </button>
            </td>
            <td>
              <a class="tag" href={recordsOf(tag)}>
                <i style={{ background: tagColor(tag.color) }} />
                <span class="el">{visibleLine(tag.name)}</span>
              </a>
            </td>
            <td class="mid wrap" data-label="Meaning">
              {tag.description === null ? <span class="dim">–</span> : visibleLine(tag.description)}
            </td>
            <td data-label="Project">
              <span class="el">
                {/* A no-break space until the names are there, so that nothing moves. */}
                {projects.length === 0
                  ? '\u00a0'
                  : visibleLine(projects.find(({ id }) => id === tag.project_id)?.name ?? tag.project_id)}
              </span>
            </td>
            <td class="n" data-label="Records">
              <TagCount of={counts.find(({ id }) => id === tag.id)?.count} />
            </td>
            <td data-label="Since">
              <Time ms={Date.parse(tag.created)} digits="minutes" />
            </td>
            <td class="r">
              <span class="row acts">
                <Button isSmall kind="quiet" off={off} label={`Edit ${tag.name}`} onClick={() => onEdit(tag)}>
                  Edit
                </Button>
                <Confirm
                  off={off}
                  label={`Remove ${tag.name}`}
                  effect="Requests keep the tag."
                  onConfirm={() =>
                    void change('DELETE', `${PATH}/${encodeURIComponent(tag.id)}`).then(onRemoved)
                  }
                >
                  Remove
                </Confirm>
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
};

/** The records that have a tag, of all the time that the store keeps. */
const recordsOf = ({ name }: Tag): string => {
  const oldest = me.value?.store?.oldest_ns;
  return addressOf(
    { page: 'logs' },
    {
      q: `tags:${JSON.stringify(name)}`,
      ...(oldest == null ? { since: '7d' } : { start: new Date(Number(oldest) / 1e6).toISOString() }),
    },
  );
};

/** Counting stops after a while: then there are at least so many, or it is not known. */
const TagCount = ({ of }: { readonly of: Tag['count'] }): JSX.Element =>
  of === undefined || (of.count === 0 && !of.is_exact) ? (
    <Num figure={count(null)} />
  ) : (
    <span class="num">
      {of.is_exact ? '' : '≥ '}
      {text(count(of.count))}
    </span>
  );
