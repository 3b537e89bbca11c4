// The page that asks for a key, in place of the content.
// Invariant: the key goes to memory or, if wanted, to this tab's session storage; never anywhere else.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { get, outage, setKey, type ApiError } from '../api/client.ts';
import { Button } from '../parts/basics.tsx';
import { Icon } from '../parts/icons.tsx';

export const KeyPage = ({ refusal }: { readonly refusal: ApiError }): JSX.Element => {
  const [key, setText] = useState('');
  const [isKept, setKept] = useState(false);
  const [problem, setProblem] = useState('');
  /** The key is kept only if weir accepts it. */
  const enter = async (): Promise<void> => {
    const entered = key.trim();
    if (entered === '') return setProblem('Enter a key.');
    const answer = await get('/v1/me', { headers: { Authorization: `Bearer ${entered}` } });
    if (answer.ok) return setKey(entered, isKept);
    // Its sentence says more only if the reason is another one than that no key was sent.
    const { message } = answer.error;
    return setProblem(message === refusal.message ? 'weir does not accept this key.' : message);
  };
  return (
    <div class="keypage">
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <div class="pb">
          <h1>
            <Icon name="key" /> weir wants a key
          </h1>
          <p class="mid">{refusal.message}</p>
          <label class="lbl" for="key">
            Key of the admin API
          </label>
          <input
            id="key"
            class="inp mono"
            type="password"
            autocomplete="off"
            spellcheck={false}
            autofocus
            value={key}
            aria-invalid={problem !== ''}
            aria-describedby="key-problem"
            onInput={(event) => {
              setText(event.currentTarget.value);
              setProblem('');
            }}
          />
          <p class="hint err" id="key-problem" role="alert">
            {problem}
          </p>
          <label class="row keep">
            <input
              type="checkbox"
              checked={isKept}
              onChange={(event) => setKept(event.currentTarget.checked)}
            />
            Keep it until this tab is closed
          </label>
          <p class="hint">
            It is sent to {location.host} only, and never stored beyond this tab. Make keys with{' '}
            <code>weir keys create</code> or in Settings.
          </p>
          <p class="row">
            <Button type="submit" kind="primary">
              Open
            </Button>
            {outage.value !== undefined && <span class="err">weir does not answer</span>}
          </p>
        </div>
      </form>
    </div>
  );
};
