// The page that asks for a key, in place of the content.
// Invariant: the key goes to memory or, if wanted, to this tab's session storage; never anywhere else.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { outage, setKey, type ApiError } from '../api/client.ts';
import { Button } from '../parts/basics.tsx';
import { Icon } from '../parts/icons.tsx';

export const KeyPage = ({ refusal }: { readonly refusal: ApiError }): JSX.Element => {
  const [key, setText] = useState('');
  const [isKept, setKept] = useState(false);
  const [wasTried, setTried] = useState(false);
  return (
    <div class="keypage">
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim() === '') return setTried(true);
          return setKey(key.trim(), isKept);
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
            aria-invalid={wasTried && key.trim() === ''}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          {wasTried && key.trim() === '' && <p class="hint err">Enter a key.</p>}
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
