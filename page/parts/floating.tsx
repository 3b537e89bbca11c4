// What floats over the page: menus, dialogs, toasts.
// Invariant: the browser's own dialog and popover keep focus, Esc and clicks outside; focus returns to what opened them.
import { signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../state.ts';
import { Button } from './basics.tsx';
import { Icon, type IconName } from './icons.tsx';

/** A button that opens a popover below it. `children` gets a function that closes it. */
export const Drop = ({
  label,
  shown,
  icon,
  class: extra = 'sel',
  children,
  isRight = false,
}: {
  /** For screen readers, and as the tooltip. */
  readonly label: string;
  readonly shown?: ComponentChildren;
  readonly icon?: IconName;
  readonly class?: string;
  readonly children: (close: () => void) => ComponentChildren;
  /** Aligned at the right edge of the button. */
  readonly isRight?: boolean;
}): JSX.Element => {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const pop = useRef<HTMLDivElement>(null);
  const [isOpen, setOpen] = useState(false);
  const close = (): void => pop.current?.hidePopover();
  useLayoutEffect(() => {
    if (!isOpen || !pop.current || !button.current) return;
    const at = button.current.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = pop.current;
    const left = Math.max(8, Math.min(isRight ? at.right - width : at.left, innerWidth - width - 8));
    const below = at.bottom + 4;
    pop.current.style.left = `${left}px`;
    pop.current.style.top = `${below + height > innerHeight - 8 ? Math.max(8, at.top - height - 4) : below}px`;
    pop.current.querySelector<HTMLElement>('[autofocus], input, [role=option], button, a')?.focus();
  }, [isOpen]);
  return (
    <>
      <button
        ref={button}
        type="button"
        class={extra}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        // What is shown is the name, since people who speak to the browser say that (WCAG 2.5.3).
        aria-label={shown === undefined ? label : undefined}
        title={label}
        // Works without a script that positions it, too.
        {...{ popovertarget: id }}
      >
        {icon !== undefined && <Icon name={icon} isSmall={shown !== undefined} />}
        {shown}
        {shown !== undefined && <Icon name="down" isSmall />}
      </button>
      <div
        ref={pop}
        id={id}
        class="pop"
        popover="auto"
        role="dialog"
        aria-label={label}
        onToggle={(event) => setOpen(event.newState === 'open')}
      >
        {isOpen && children(close)}
      </div>
    </>
  );
};

export interface Option {
  readonly value: string;
  readonly shown?: ComponentChildren;
  readonly note?: ComponentChildren;
}

/** A list to choose from, with arrow keys. With more than eight options it has a field to search them. */
export const OptionList = ({
  label,
  options,
  value,
  onChoose,
}: {
  readonly label: string;
  readonly options: readonly Option[];
  readonly value?: string | undefined;
  readonly onChoose: (value: string) => void;
}): JSX.Element => {
  const [find, setFind] = useState('');
  const list = useRef<HTMLUListElement>(null);
  const fitting = options.filter(({ value: one }) => one.toLowerCase().includes(find.toLowerCase()));
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const items = [...(list.current?.querySelectorAll<HTMLElement>('[role=option]') ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items[Math.max(0, Math.min(items.length - 1, at + step))]?.focus();
  };
  return (
    <div class="optlist" onKeyDown={move}>
      {options.length > 8 && (
        <input
          class="inp"
          autofocus
          aria-label={`Find in ${label}`}
          placeholder="Find…"
          value={find}
          onInput={(event) => setFind(event.currentTarget.value)}
        />
      )}
      {fitting.length > 0 && (
        <ul role="listbox" aria-label={label} ref={list}>
          {fitting.map(({ value: one, shown, note }) => (
            <li
              key={one}
              role="option"
              tabIndex={0}
              aria-selected={one === value}
              onClick={() => onChoose(one)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' && event.key !== ' ') return;
                event.preventDefault();
                onChoose(one);
              }}
            >
              <span class="tick">{one === value && <Icon name="check" isSmall />}</span>
              <span class="grow el">{shown ?? one}</span>
              {note !== undefined && <span class="dim num">{note}</span>}
            </li>
          ))}
        </ul>
      )}
      {fitting.length === 0 && <p class="dim pb">None</p>}
    </div>
  );
};

/** A dialog over the page. It is open as long as it is drawn; Esc and the button call `onClose`. */
export const Dialog = ({
  title,
  children,
  foot,
  onClose,
  class: extra = '',
}: {
  readonly title: ComponentChildren;
  readonly children: ComponentChildren;
  readonly foot?: ComponentChildren;
  readonly onClose: () => void;
  readonly class?: string;
}): JSX.Element => {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before the first paint, so that it does not appear at two places.
  useLayoutEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    dialog.current?.querySelector<HTMLElement>('[autofocus]')?.focus();
    return () => opener?.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`dialog ${extra}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // Chromium closes it at a second Esc whatever was said to the first one. If it is still wanted, it is shown again.
      onClose={() => {
        onClose();
        requestAnimationFrame(() => {
          if (dialog.current?.isConnected === true && !dialog.current.open) dialog.current.showModal();
        });
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="ph">
        <h2 id={id}>{title}</h2>
        <span class="grow" />
        <Button kind="bare" icon="close" label="Close" onClick={onClose} />
      </div>
      {children}
      {foot !== undefined && <div class="dfoot">{foot}</div>}
    </dialog>
  );
};

interface Note {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
  readonly action: { readonly shown: string; readonly run: () => void } | undefined;
}

const notes = signal<readonly Note[]>([]);
let nextNote = 1;
const NOTE_MS = 8000;

/** Tells of something that can be undone, or that a thing which was done has failed. Never for news. */
export function toast(
  text: string,
  { isError = false, action }: { readonly isError?: boolean; readonly action?: Note['action'] } = {},
): void {
  notes.value = [...notes.value.slice(-2), { id: nextNote++, text, isError, action }];
  announce(text);
}

const Toast = ({ note }: { readonly note: Note }): JSX.Element => {
  const [isHeld, setHeld] = useState(false);
  const close = (): void => void (notes.value = notes.value.filter(({ id }) => id !== note.id));
  useEffect(() => {
    if (isHeld) return undefined;
    const timer = setTimeout(close, NOTE_MS);
    return () => clearTimeout(timer);
  }, [isHeld]);
  return (
    <div
      class={`toast${note.isError ? ' err' : ''}`}
      role={note.isError ? 'alert' : 'status'}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocusCapture={() => setHeld(true)}
      onBlurCapture={() => setHeld(false)}
    >
      <span class="grow">{note.text}</span>
      {note.action && (
        <Button
          isSmall
          onClick={() => {
            note.action!.run();
            close();
          }}
        >
          {note.action.shown}
        </Button>
      )}
      <Button kind="bare" icon="close" label="Close" onClick={close} />
    </div>
  );
};

export const Toasts = (): JSX.Element => (
  <div class="toasts">
    {notes.value.map((note) => (
      <Toast key={note.id} note={note} />
    ))}
  </div>
);
