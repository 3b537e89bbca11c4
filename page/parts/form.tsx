// Forms: the head of a section, fields, how changes are sent, and buttons that ask before they act.
import type { ComponentChildren, JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
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
}): JSX.Element => {
  const id = useId();
  return (
    <div>
      <label class="lbl" for={id}>
        {label}
      </label>
      <input
        id={id}
        class={isMono ? 'inp mono' : 'inp'}
        // A password or a text; the types of the two differ in their roles only.
        {...({ type } as { readonly type: 'text' })}
        value={value}
        placeholder={placeholder}
        readOnly={isReadOnly}
        autocomplete="off"
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
  /** Sends it. Returns the answer, or `undefined` if it was refused; the refusal is in `error`, what was typed stays. */
  readonly send: (
    method: string,
    path: string,
    body?: unknown,
  ) => Promise<{ readonly value: unknown } | undefined>;
  readonly clear: () => void;
}

export function useSending(): Sending {
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState<ApiError>();
  return {
    isSending,
    error,
    clear: () => setError(undefined),
    async send(method: string, path: string, body?: unknown) {
      setSending(true);
      setError(undefined);
      const answer = await ask(method, path, body === undefined ? {} : { body });
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

/** A button that asks in its place before it acts. `effect`: what will happen. */
export const Confirm = ({
  children,
  effect,
  label,
  off,
  onConfirm,
}: {
  readonly children: string;
  readonly effect: ComponentChildren;
  readonly label?: string;
  readonly off?: string | undefined;
  readonly onConfirm: () => void;
}): JSX.Element => {
  const [isAsked, setAsked] = useState(false);
  if (!isAsked)
    return (
      <Button kind="danger" isSmall onClick={() => setAsked(true)} off={off} {...(label ? { label } : {})}>
        {children}
      </Button>
    );
  return (
    <span class="row confirm" role="alertdialog" aria-label={`${children}?`}>
      <span class="mid">{effect}</span>
      <Button
        kind="danger"
        isSmall
        onClick={() => {
          setAsked(false);
          onConfirm();
        }}
      >
        {children}
      </Button>
      <Button isSmall onClick={() => setAsked(false)}>
        Cancel
      </Button>
    </span>
  );
};

/** Sends a change that has no form, and tells of a refusal. Returns true if it was taken. */
export async function change(method: string, path: string, body?: unknown): Promise<boolean> {
  const answer = await ask(method, path, body === undefined ? {} : { body });
  if (!answer.ok) toast(answer.error.message, { isError: true });
  return answer.ok;
}
