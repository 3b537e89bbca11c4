// Parts of the sections beside a request.
// Invariant: each is a function of its data.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { get } from '../../api/client.ts';
import { missing } from '../../me.ts';
import { Button } from '../../parts/basics.tsx';
import type { Saving } from './attached.ts';

/** The scope that additions need. */
export const WRITE = 'logs:write';

/** A section with its heading. */
export const SideSection = ({
  title,
  side,
  children,
}: {
  readonly title: ComponentChildren;
  readonly side?: ComponentChildren;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <section>
    <h3>
      {title}
      <span class="grow" />
      {side}
    </h3>
    {children}
  </section>
);

/** Said beside what is on its way. */
export const IsSaving = ({ of }: { readonly of: Saving<object> }): JSX.Element | null =>
  of.isSaving === true ? <span class="dim"> saving…</span> : null;

export const Remove = ({
  label,
  onClick,
}: {
  readonly label: string;
  readonly onClick: () => void;
}): JSX.Element => (
  <Button kind="bare" icon="close" isSmall label={label} off={missing(WRITE)} onClick={onClick} />
);

/** Who added it. */
export const author = ({ by, rule }: { readonly by?: string; readonly rule?: string }): string =>
  rule !== undefined ? 'rule' : (by ?? '');

/** A score or a tag that a project describes. */
interface Described {
  readonly name: string;
  readonly color?: string | null;
}

/** What projects describe, by name. Asked when it is wanted first. */
export function useDescribed(path: string, isWanted: boolean): ReadonlyMap<string, Described> {
  const [described, setDescribed] = useState<ReadonlyMap<string, Described>>();
  useEffect(() => {
    if (!isWanted || described !== undefined) return;
    void get<{ readonly objects: readonly Described[] }>(path, { query: { limit: 200 } }).then((answer) =>
      setDescribed(new Map(answer.ok ? answer.value.objects.map((one) => [one.name, one]) : [])),
    );
  }, [isWanted]);
  return described ?? new Map<string, Described>();
}

/** A field that has the focus when it appears. */
export const Focused = ({
  onInput,
  ...rest
}: {
  readonly class: string;
  readonly 'aria-label': string;
  readonly placeholder: string;
  readonly list: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
}): JSX.Element => {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  return <input ref={field} {...rest} onInput={(event) => onInput(event.currentTarget.value)} />;
};
