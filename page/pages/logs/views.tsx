// Saved views: names for addresses of Logs, kept by weir for all who use it.
// Invariant: a view has the whole question and the columns, but not what is open.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ViewAnswer, ViewList } from '../../../src/control/admin/answers/view-answers.ts';
import { ask } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { missing } from '../../me.ts';
import { Button } from '../../parts/basics.tsx';
import { Drop, toast } from '../../parts/floating.tsx';
import { Failed, Loading } from '../../parts/panel.tsx';
import { print } from '../../routes.ts';
import { params } from '../../state.ts';

export const ViewMenu = (): JSX.Element => (
  <Drop label="Saved views" class="ib" icon="star" isRight>
    {(close) => <ViewForm onDone={close} />}
  </Drop>
);

/** The address of what is shown, without what is open. */
const addressNow = (): string => {
  const { open: _open, ctx: _ctx, live: _live, ...its } = params.peek();
  return print({ route: { page: 'logs' }, params: its });
};

const ViewForm = ({ onDone }: { readonly onDone: () => void }): JSX.Element => {
  const live = useAnswer<ViewList>({ path: '/v1/view' });
  const [name, setName] = useState('');
  const [problem, setProblem] = useState('');
  const { value, error } = live.asked.value;
  const off = missing('logs:write');
  const views = (value?.views ?? []).filter(({ address }) => address.startsWith('/ui/logs'));
  const save = async (): Promise<void> => {
    const answer = await ask('POST', '/v1/view', { body: { name: name.trim(), address: addressNow() } });
    if (!answer.ok) return setProblem(answer.error.message);
    setName('');
    setProblem('');
    live.again();
    return undefined;
  };
  const remove = async (view: ViewAnswer): Promise<void> => {
    const answer = await ask('DELETE', `/v1/view/${encodeURIComponent(view.id)}`);
    if (!answer.ok) return toast(answer.error.message, { isError: true });
    live.again();
    return toast(`View ${view.name} removed`, {
      action: {
        shown: 'Undo',
        run: () =>
          void ask('POST', '/v1/view', { body: { name: view.name, address: view.address } }).then(live.again),
      },
    });
  };
  return (
    <div class="viewmenu">
      <Loading of={live} words="Reading the views…" />
      {error !== undefined && value === undefined && <Failed error={error} onAgain={live.again} />}
      {value !== undefined && views.length === 0 && <p class="dim pb">No view is saved yet.</p>}
      <ul>
        {views.map((view) => (
          <li key={view.id}>
            <a
              class="grow el"
              href={view.address}
              title={`${view.address}\nsaved by ${view.created_by}`}
              onClick={onDone}
            >
              {view.name}
            </a>
            <Button
              kind="bare"
              icon="close"
              label={`Remove the view ${view.name}`}
              off={off}
              onClick={() => void remove(view)}
            />
          </li>
        ))}
      </ul>
      <form
        class="pb row"
        onSubmit={(event) => {
          event.preventDefault();
          if (off === undefined && name.trim() !== '') void save();
        }}
      >
        <input
          class="inp"
          aria-label="Name of the view"
          placeholder="Name of what is shown"
          maxLength={100}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <Button type="submit" off={off ?? (name.trim() === '' ? 'Enter a name' : undefined)}>
          Save
        </Button>
      </form>
      {problem !== '' && (
        <p class="hint err pb" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
};
