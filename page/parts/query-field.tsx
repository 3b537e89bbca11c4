// A query in a form: a label, the bar with its problems in place, and a hint.
// Invariant: the form has each text as it is typed; it is told how many problems that has, and must not send one that has any.
import type { ComponentChildren, JSX } from 'preact';
import { Query } from './query.tsx';

export const QueryField = ({
  label,
  value,
  onInput,
  onProblems,
  scope = {},
  placeholder,
  hint,
  isFirst = false,
}: {
  readonly label: string;
  readonly value: string;
  readonly onInput: (text: string) => void;
  readonly onProblems: (count: number) => void;
  /** Time of the values that are offered, as parameters of the API. */
  readonly scope?: Readonly<Record<string, string>>;
  readonly placeholder: string;
  readonly hint?: ComponentChildren;
  /** Has the focus first in its dialog. */
  readonly isFirst?: boolean;
}): JSX.Element => (
  <div class="queryfield">
    <div class="lbl" aria-hidden="true">
      {label}
    </div>
    <Query
      label={label}
      value={value}
      placeholder={placeholder}
      scope={scope}
      isEager={false}
      isFirst={isFirst}
      onAsk={onInput}
      onDraft={onInput}
      onProblems={onProblems}
    />
    {hint !== undefined && <div class="hint">{hint}</div>}
  </div>
);
