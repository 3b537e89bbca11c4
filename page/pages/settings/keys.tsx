// Settings, API keys: make, list and remove keys of both servers.
// Invariant: a new key is shown once, in a bar that must be closed; it is kept nowhere.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { KeyAnswer, KeyList } from '../../../src/control/admin/answers/settings-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { ago, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { me, refreshMe } from '../../me.ts';
import { setKey } from '../../api/client.ts';
import { Button, Copy, Pill, Time } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { Answered } from '../../parts/panel.tsx';
import { change, Confirm, Field, NewButton, Refusal, SectionHead, useSending } from '../../parts/form.tsx';

/** Scopes, and what each opens. */
const SCOPES = [
  ['logs:read', 'Logs, requests, traces, Monitor'],
  ['logs:write', 'send lines and spans; feedback, scores, tags, comments'],
  ['export', 'exports and connections'],
  ['metrics', '/metrics, where it is protected'],
  ['admin', 'everything in this page, also keys and replicas'],
  ['predict', 'requests to the model, for clients of the data server'],
  ['async', 'asynchronous requests, for clients of the data server'],
  ['wake', 'waking a deployment that is scaled to zero'],
] as const;

const LIFETIMES = [
  ['', 'never'],
  ['7', 'in 7 days'],
  ['30', 'in 30 days'],
  ['90', 'in 90 days'],
  ['365', 'in a year'],
] as const;

/** A key that was just made. */
interface MadeKey {
  readonly name: string;
  readonly key: string;
  /** It has a scope of the admin API. */
  readonly opensPage: boolean;
}

const CLIENT_SCOPES: ReadonlySet<string> = new Set(['predict', 'async', 'wake']);

const DAY_MS = 86_400_000;
const SOON_MS = 7 * DAY_MS;

export const Keys = (): JSX.Element => {
  const live = useAnswer<KeyList>({ path: '/v1/keys' }, { everyMs: 15_000 });
  const [isNew, setNew] = useState(false);
  const [made, setMade] = useState<MadeKey>();
  useKeys('lists', { new: () => setNew(true) });
  const known = live.asked.value.value;
  return (
    <>
      <SectionHead title="API keys" side={<NewButton onClick={() => setNew(true)}>Key</NewButton>}>
        A key is shown once, when it is made; only its digest is stored. Once a key of the admin API exists,
        all its requests but probes need one.
      </SectionHead>
      <div class="one">
        <section class="panel">
          {made && (
            <div class="banner info newkey" role="status">
              <Icon name="key" />
              <div class="grow wrap">
                <b>Copy the key {visibleLine(made.name)} now; it is not shown again.</b>{' '}
                <code>{made.key}</code>
              </div>
              <Copy kind="plain" text={made.key} label="Copy the key">
                Copy
              </Copy>
              <Button kind="quiet" onClick={() => setMade(undefined)}>
                Done
              </Button>
            </div>
          )}
          <Answered live={live} words="Reading the keys…">
            {({ keys }) =>
              keys.length === 0 ? (
                <div class="empty">
                  There is no key, so only requests from the machine of weir are allowed. Make one with the
                  scope admin first.
                </div>
              ) : (
                <KeyTable keys={keys} onChanged={live.again} />
              )
            }
          </Answered>
        </section>
        {isNew && known !== undefined && (
          <NewKey
            isFirst={known.keys.length === 0}
            onClose={() => setNew(false)}
            onMade={(key) => {
              // From now on all requests need a key: without one, this page and the new key in it would be gone.
              if (me.value?.key.is_without_key === true && key.opensPage) setKey(key.key, false);
              setMade(key);
              setNew(false);
              refreshMe();
              live.again();
            }}
          />
        )}
      </div>
    </>
  );
};

const KeyTable = ({
  keys,
  onChanged,
}: {
  readonly keys: readonly KeyAnswer[];
  readonly onChanged: () => void;
}): JSX.Element => {
  const now = Date.now();
  return (
    <table class="cards keys">
      <thead>
        <tr>
          <th>Name</th>
          <th>Id</th>
          <th>Scopes</th>
          <th>Expires</th>
          <th>Last used</th>
          <th>Made by</th>
          <th>
            <span class="vh">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => {
          const expires = key.expires_at === null ? undefined : Date.parse(key.expires_at);
          const used = key.last_used_at === null ? undefined : Date.parse(key.last_used_at);
          const isOwn = me.value?.key.id === key.id;
          const wasJustUsed = used !== undefined && now - used < 3_600_000;
          return (
            <tr key={key.id}>
              <td class="strong wrap">{visibleLine(key.name)}</td>
              <td class="mono dim wrap" data-label="Id">
                {key.id}
              </td>
              <td class="wrap" data-label="Scopes">
                <span>
                  {key.scopes.map((scope) => (
                    <>
                      <Pill key={scope}>{scope}</Pill>{' '}
                    </>
                  ))}
                </span>
              </td>
              <td data-label="Expires" class={expires !== undefined && expires - now < SOON_MS ? 'warn' : ''}>
                {expires === undefined ? (
                  'never'
                ) : (
                  <span>
                    <Time ms={expires} digits="minutes" />
                    {expires - now < SOON_MS && `, ${ago(expires, now)}`}
                  </span>
                )}
              </td>
              <td data-label="Last used">
                {isOwn ? 'now, this page' : used === undefined ? <span class="dim">–</span> : ago(used, now)}
              </td>
              <td class="mid wrap" data-label="Made by">
                {key.made_by === null ? <span class="dim">–</span> : visibleLine(key.made_by)}
              </td>
              <td class="r">
                <Confirm
                  label={`Remove the key ${key.name}`}
                  typed={wasJustUsed ? key.name : undefined}
                  off={
                    key.source === 'file'
                      ? 'It is in the key file. Remove it there.'
                      : isOwn
                        ? 'This page uses it.'
                        : undefined
                  }
                  effect={
                    wasJustUsed
                      ? `${key.name} was used ${ago(used, now)}; its clients get 401 at once.`
                      : 'It stops working at once.'
                  }
                  onConfirm={() =>
                    void change('DELETE', `/v1/keys/${encodeURIComponent(key.id)}`).then(onChanged)
                  }
                >
                  Remove
                </Confirm>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
};

const NewKey = ({
  isFirst,
  onClose,
  onMade,
}: {
  /** The first key must be able to make others, always. */
  readonly isFirst: boolean;
  readonly onClose: () => void;
  readonly onMade: (key: MadeKey) => void;
}): JSX.Element => {
  const [name, setName] = useState('');
  const [days, setDays] = useState(isFirst ? '' : '90');
  const [scopes, setScopes] = useState<readonly string[]>([isFirst ? 'admin' : 'logs:read']);
  const sending = useSending();
  const why =
    name.trim() === ''
      ? 'Give it a name.'
      : scopes.length === 0
        ? 'Choose a scope.'
        : sending.isSending
          ? 'It is being made.'
          : undefined;
  const save = async (): Promise<void> => {
    if (why !== undefined) return;
    const made = await sending.send('POST', '/v1/keys', {
      name: name.trim(),
      scopes,
      ...(days === '' ? {} : { expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString() }),
    });
    if (!made) return;
    const opensPage = scopes.some((scope) => !CLIENT_SCOPES.has(scope));
    onMade({ name: name.trim(), key: (made.value as { readonly key: string }).key, opensPage });
  };
  useKeys('lists', { save: () => void save() });
  return (
    <form
      class="panel newform"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div class="ph">
        <h2>New key</h2>
      </div>
      <div class="form">
        <Field label="Name" value={name} onInput={setName} placeholder="grafana" isFirst />
        <label>
          <span class="lbl">Expires</span>
          <select class="inp" value={days} onChange={(event) => setDays(event.currentTarget.value)}>
            {LIFETIMES.map(([value, shown]) => (
              <option key={value} value={value}>
                {shown}
              </option>
            ))}
          </select>
        </label>
        <fieldset>
          <legend class="lbl">Scopes</legend>
          {SCOPES.map(([scope, opens]) => (
            <label key={scope} class="checks">
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                onChange={(event) =>
                  setScopes(
                    event.currentTarget.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope),
                  )
                }
              />
              <span class="mono">{scope}</span>
              <span class="mid">{opens}</span>
            </label>
          ))}
        </fieldset>
        <Refusal error={sending.error} />
      </div>
      <div class="formfoot">
        <span class="grow" />
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" off={why}>
          Make key
        </Button>
      </div>
    </form>
  );
};
