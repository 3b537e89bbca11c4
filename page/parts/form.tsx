// Forms: the head of a section, fields, how changes are sent, and buttons that ask before they act.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask, type ApiError } from '../api/client.ts';
import { Button } from './basics.tsx';
import { toast } from './floating.tsx';

export const SectionHead = ({
  title,
  children,
  side,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly side?: ComponentChildren;
}): JSX.Element => (
  <div class="shead">
    <div class="grow">
      <h1>{title}</h1>
      <p>{children}</p>
    </div>
    {side}
  </div>
);

/** The button that begins something new; its key is `n`. */
export const NewButton = ({
  children,
  onClick,
  off,
}: {
  readonly children: string;
  readonly onClick: () => void;
  readonly off?: string | undefined;
}): JSX.Element => (
  <Button kind="primary" icon="plus" onClick={onClick} off={off}>
    {children} <kbd>n</kbd>
  </Button>
);

/** A labelled field of a form; `problem` is shown under it and tied to it. */
export const Field = ({
  label,
  value,
  onInput,
  problem,
  hint,
  isMono = false,
  type = 'text',
  placeholder,
  isReadOnly = false,
  isFirst = false,
}: {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly problem?: string | undefined;
  readonly hint?: ComponentChildren;
  readonly isMono?: boolean;
  readonly type?: 'text' | 'password';
  readonly placeholder?: string;
  readonly isReadOnly?: boolean;
  /** Takes the focus when it appears, and gives it back when it goes. */
  readonly isFirst?: boolean;
}): JSX.Element => {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    if (!isFirst) return undefined;
    const opener = document.activeElement;
    field.current?.focus();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <div>
      <label class="lbl" for={id}>
        {label}
      </label>
      <input
        ref={field}
        id={id}
        class={isMono ? 'inp mono' : 'inp'}
        // A password or a text; the types of the two differ in their roles only.
        {...({ type } as { readonly type: 'text' })}
        value={value}
        placeholder={placeholder}
        readOnly={isReadOnly}
        // Browsers keep what is typed into a field of passwords, unless it is for a new one.
        autocomplete={type === 'password' ? 'new-password' : 'off'}
        spellcheck={false}
        aria-invalid={problem !== undefined}
        aria-describedby={problem === undefined && hint === undefined ? undefined : `${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {(problem !== undefined || hint !== undefined) && (
        <div id={`${id}-hint`} class={problem === undefined ? 'hint' : 'hint err'}>
          {problem ?? hint}
        </div>
      )}
    </div>
  );
};

/** How a change stands. */
export interface Sending {
  readonly isSending: boolean;
  readonly error: ApiError | undefined;
  /**
   * Sends it. Returns the answer, or `undefined` if it was refused, or if another one is being sent: a second click sends
   * nothing. The refusal is in `error`, what was typed stays.
   */
  readonly send: (
    method: string,
    path: string,
    body?: unknown,
  ) => Promise<{ readonly value: unknown } | undefined>;
  readonly clear: () => void;
}

export function useSending(): Sending {
  const [isSending, setSending] = useState(false);
  const isBusy = useRef(false);
  const [error, setError] = useState<ApiError>();
  return {
    isSending,
    error,
    clear: () => setError(undefined),
    async send(method: string, path: string, body?: unknown) {
      if (isBusy.current) return undefined;
      isBusy.current = true;
      setSending(true);
      setError(undefined);
      const answer = await ask(method, path, body === undefined ? {} : { body });
      isBusy.current = false;
      setSending(false);
      if (answer.ok) return { value: answer.value };
      setError(answer.error);
      return undefined;
    },
  };
}

/** The refusal of a change, in weir's words. */
export const Refusal = ({ error }: { readonly error: ApiError | undefined }): JSX.Element | null =>
  error === undefined ? null : (
    <p class="hint err" role="alert">
      {error.message}
    </p>
  );

/**
 * A button that asks in its place before it acts. `effect`: what will happen. `typed`: a name that must be typed before.
 * The focus goes to the question and back; Esc takes it back.
 */
export const Confirm = ({
  children,
  effect,
  label,
  off,
  typed,
  onConfirm,
}: {
  readonly children: string;
  readonly effect: ComponentChildren;
  readonly label?: string;
  readonly off?: string | undefined;
  readonly typed?: string | undefined;
  readonly onConfirm: () => void;
}): JSX.Element => {
  const [isAsked, setAsked] = useState(false);
  const [name, setName] = useState('');
  const place = useRef<HTMLSpanElement>(null);
  const wasAsked = useRef(false);
  useEffect(() => {
    if (isAsked === wasAsked.current) return;
    wasAsked.current = isAsked;
    place.current?.querySelector<HTMLElement>(isAsked ? 'input, .no' : 'button')?.focus();
  }, [isAsked]);
  const close = (): void => {
    setAsked(false);
    setName('');
  };
  // On the whole page, since the second click of a double click may have moved the focus out of the question.
  useEffect(() => {
    if (!isAsked) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close();
    };
    document.addEventListener('keydown', onKey, true);
    return () => document.removeEventListener('keydown', onKey, true);
  }, [isAsked]);
  const confirm = (event: MouseEvent): void => {
    // The second click of a double click on the first button may land here.
    if (event.detail > 1) return;
    close();
    onConfirm();
  };
  if (!isAsked)
    return (
      <span ref={place}>
        <Button kind="danger" isSmall onClick={() => setAsked(true)} off={off} {...(label ? { label } : {})}>
          {children}
        </Button>
      </span>
    );
  return (
    <span
      ref={place}
      class="row confirm"
      role="alertdialog"
      aria-label={label ?? `${children}?`}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.preventDefault();
      }}
    >
      <span class="mid">{effect}</span>
      {typed !== undefined && (
        <input
          class="inp"
          aria-label={`Type ${typed} to confirm`}
          placeholder={typed}
          autocomplete="off"
          spellcheck={false}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      )}
      <Button
        kind="danger"
        isSmall
        off={typed === undefined || name === typed ? undefined : `Type ${typed} first.`}
        onClick={confirm}
      >
        {children}
      </Button>
      <button type="button" class="btn sm no" onClick={close}>
        Cancel
      </button>
    </span>
  );
};

/** Sends a change that has no form, and tells of a refusal. Returns true if it was taken. */
export async function change(method: string, path: string, body?: unknown): Promise<boolean> {
  const answer = await ask(method, path, body === undefined ? {} : { body });
  if (!answer.ok) toast(answer.error.message, { isError: true });
  return answer.ok;
}
