// What was attached to a request: scores, feedback and comments; each can be added in place.
// Invariant: a form keeps its text until weir has saved it.
import type { JSX } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { visible, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { me, missing } from '../../me.ts';
import { Button, Time } from '../../parts/basics.tsx';
import type { Annotations } from './annotations.ts';
import { author, Focused, IsSaving, Remove, SideSection, useDescribed, WRITE } from './side-parts.tsx';

export const Scores = ({ annotations }: { readonly annotations: Annotations }): JSX.Element => {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const described = useDescribed('/v1/project_score', isOpen);
  const listId = useId();
  const off = missing(WRITE);
  useKeys('request', { score: () => (off === undefined ? setOpen(true) : false) });
  const n = Number(value);
  const problem =
    name.trim() === ''
      ? 'Enter a name.'
      : value.trim() === '' || !(n >= 0 && n <= 1)
        ? 'Enter 0 to 1.'
        : undefined;
  const { scores } = annotations.attached;
  return (
    <SideSection
      title="Scores"
      side={
        <Button
          kind="quiet"
          isSmall
          icon="plus"
          off={off}
          onClick={() => setOpen(!isOpen)}
          label="Add a score (s)"
        >
          Score <kbd>s</kbd>
        </Button>
      }
    >
      {scores.length === 0 && !isOpen && <p class="dim">No scores</p>}
      {scores.map((one) => (
        <div key={one.name} class="scr">
          <span class="el" title={visibleLine(one.name)}>
            {visibleLine(one.name)} <span class="dim">{author(one)}</span>
            <IsSaving of={one} />
          </span>
          {one.value >= 0 && one.value <= 1 ? (
            <span class="mt" aria-hidden="true">
              <i class={one.value < 0.5 ? 'low' : ''} style={{ width: `${one.value * 100}%` }} />
            </span>
          ) : (
            <span />
          )}
          <span class="r num strong">{one.value.toFixed(2)}</span>
          {one.annotation_id !== undefined && (
            <Remove
              label={`Remove the score ${one.name}`}
              onClick={() => void annotations.remove('annotation', one.annotation_id!)}
            />
          )}
        </div>
      ))}
      {isOpen && (
        <form
          class="addform"
          onKeyDown={(event) => event.key === 'Escape' && setOpen(false)}
          onSubmit={(event) => {
            event.preventDefault();
            if (problem !== undefined) return;
            setOpen(false);
            void annotations.add({ kind: 'score', name: name.trim(), value: n }).then((isSaved) => {
              if (!isSaved) return setOpen(true);
              setName('');
              setValue('');
            });
          }}
        >
          <Focused
            class="inp grow"
            aria-label="Name of the score"
            placeholder="Name"
            list={listId}
            value={name}
            onInput={setName}
          />
          <datalist id={listId}>
            {[...described.keys()].map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
          <input
            class="inp short"
            aria-label="Value from 0 to 1"
            inputMode="decimal"
            placeholder="0 to 1"
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
          <Button type="submit" isSmall off={problem} label="Save the score">
            Save
          </Button>
        </form>
      )}
    </SideSection>
  );
};

/** Values of the two thumbs. */
const GOOD = 10;
const BAD = -10;

export const Feedback = ({ annotations }: { readonly annotations: Annotations }): JSX.Element => {
  const { feedback, comments } = annotations.attached;
  const off = missing(WRITE);
  const name = me.value?.key.name ?? undefined;
  const own = feedback.findLast((one) => one.by === name && one.id !== '' && Math.abs(one.value) === GOOD);
  const pending = feedback.findLast(({ id }) => id === '');
  const rate = (value: number): void => {
    if (own !== undefined) void annotations.remove('feedback', own.id);
    if (own?.value !== value) void annotations.add({ kind: 'feedback', value });
  };
  useKeys('request', {
    good: () => (off === undefined ? rate(GOOD) : false),
    bad: () => (off === undefined ? rate(BAD) : false),
  });
  const shown = (pending ?? own)?.value;
  return (
    <SideSection
      title="Feedback"
      side={
        <span class="row gap4">
          <Button
            isSmall
            icon="good"
            isOn={shown === GOOD}
            off={off}
            label="Good (+)"
            onClick={() => rate(GOOD)}
          >
            <span class="vh">Good</span>
            <kbd>+</kbd>
          </Button>
          <Button isSmall icon="bad" isOn={shown === BAD} off={off} label="Bad (-)" onClick={() => rate(BAD)}>
            <span class="vh">Bad</span>
            <kbd>−</kbd>
          </Button>
        </span>
      }
    >
      {feedback.map((one) => (
        <div key={one.id} class="cm">
          <div class="row between">
            <span>
              <b class="strong num">
                {one.value > 0 ? `+${one.value}` : String(one.value).replace('-', '−')}
              </b>{' '}
              <span class="dim">
                of −10 to 10{one.weight === 1 ? '' : `, weight ${one.weight}`}
                {one.by === undefined ? '' : ` · ${visibleLine(one.by)}`}
              </span>
              <IsSaving of={one} />
            </span>
            <span class="row gap4 dim">
              <Time ms={Date.parse(one.timestamp)} />
              {one.id !== '' && (
                <Remove
                  label="Remove the feedback"
                  onClick={() => void annotations.remove('feedback', one.id)}
                />
              )}
            </span>
          </div>
          {one.metadata !== undefined && Object.keys(one.metadata).length > 0 && (
            <div class="mono dim">{visibleLine(JSON.stringify(one.metadata).slice(0, 500))}</div>
          )}
        </div>
      ))}
      {comments.map((one) => (
        <div key={one.timestamp + one.text} class="cm">
          <div class="row between">
            <span class="strong el">
              {visibleLine(one.by ?? 'No key')}
              <IsSaving of={one} />
            </span>
            <span class="row gap4 dim">
              <Time ms={Date.parse(one.timestamp)} />
              {one.annotation_id !== undefined && (
                <Remove
                  label="Remove the comment"
                  onClick={() => void annotations.remove('annotation', one.annotation_id!)}
                />
              )}
            </span>
          </div>
          <div class="say">{visible(one.text)}</div>
        </div>
      ))}
      <CommentForm annotations={annotations} off={off} />
    </SideSection>
  );
};

const CommentForm = ({
  annotations,
  off,
}: {
  readonly annotations: Annotations;
  readonly off: string | undefined;
}): JSX.Element => {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  useKeys('request', { comment: () => field.current?.focus() });
  const send = (): void => {
    const comment = text.trim();
    if (comment === '' || off !== undefined) return;
    setText('');
    void annotations.add({ kind: 'comment', text: comment }).then((isSaved) => {
      // What was typed meanwhile stays below it.
      if (!isSaved) setText((typed) => (typed === '' ? comment : `${comment}\n${typed}`));
    });
  };
  return (
    <form
      class="comment"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        class="inp area"
        rows={2}
        aria-label="Comment"
        placeholder={off === undefined ? 'Comment (m)' : 'Comment'}
        disabled={off !== undefined}
        title={off}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            send();
          } else if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      {text.trim() !== '' && (
        <Button type="submit" isSmall label="Save the comment (Ctrl Enter)">
          Save <kbd>Ctrl Enter</kbd>
        </Button>
      )}
    </form>
  );
};
