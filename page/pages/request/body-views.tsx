// What went in and came out of a request: as a conversation, as JSON, as it was sent, and its headers.
// Invariant: each view says why a body, or a part of it, is missing; a body of any size is drawn in pieces.
import type { ComponentChildren, JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { RequestJson, ShownBody } from '../../../src/control/admin/records/request-json.ts';
import { bytes, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Copy, Segments } from '../../parts/basics.tsx';
import { conversationOf, readBody, type Conversation, type ReadBody } from '../../parts/chat-shapes.ts';
import { Chat } from '../../parts/chat.tsx';
import { Icon } from '../../parts/icons.tsx';
import { JsonTree } from '../../parts/json-tree.tsx';
import { LongText } from '../../parts/long-text.tsx';
import { addressOf } from '../../routes.ts';
import { params, setParams } from '../../state.ts';
import { bodyNotes } from './body-notes.ts';
import { bytesOfBase64, hexLines } from './hex.ts';

const VIEWS = ['chat', 'json', 'raw', 'headers'] as const;
type View = (typeof VIEWS)[number];

/** A longer text is read as JSON only when that is asked for, since it takes more than a moment. */
const READ_AT_ONCE = 4 * 1024 ** 2;

const isView = (text: string): text is View => VIEWS.some((one) => one === text);

const UNREAD: ReadBody = { form: 'none', text: '', value: undefined, problem: '' };

export const BodyViews = ({ details }: { readonly details: RequestJson }): JSX.Element => {
  const { request, response } = details.bodies;
  const [isAllRead, setAllRead] = useState(false);
  const [find, setFind] = useState('');
  const isLong = Math.max(request.text?.length ?? 0, response.text?.length ?? 0) > READ_AT_ONCE;
  const isRead = !isLong || isAllRead;
  const asked = useMemo(() => (isRead ? readBody(request.text) : UNREAD), [request.text, isRead]);
  const answered = useMemo(() => (isRead ? readBody(response.text) : UNREAD), [response.text, isRead]);
  const talk = useMemo(() => conversationOf(asked, answered), [asked, answered]);

  const fallback: View =
    talk !== undefined
      ? 'chat'
      : request.state === 'not_kept' && response.state === 'not_kept'
        ? 'headers'
        : !isRead || asked.form === 'text' || answered.form === 'text' || isBinary(request, response)
          ? 'raw'
          : 'json';
  const wanted = params.value['view'] ?? '';
  const view = isView(wanted) ? wanted : fallback;
  const choose = (to: View): void => setParams({ view: to === fallback ? undefined : to }, true);
  useKeys('request', {
    chat: () => choose('chat'),
    json: () => choose('json'),
    raw: () => choose('raw'),
    headers: () => choose('headers'),
  });

  const hasFind = view === 'chat' || view === 'raw';
  return (
    <section class="cv" aria-label="Input and output">
      <div class="ph">
        <h2>Input and output</h2>
        <Segments
          isSmall
          label="View"
          value={view}
          options={[
            ['chat', 'Conversation'],
            ['json', 'JSON'],
            ['raw', 'As sent'],
            ['headers', 'Headers'],
          ]}
          onChoose={choose}
        />
        <span class="grow" />
        {view === 'chat' && talk !== undefined && <span class="sub el nmob">{summary(talk)}</span>}
        {hasFind && (
          <input
            class="inp find"
            type="search"
            aria-label="Find in the bodies"
            placeholder="Find"
            value={find}
            onInput={(event) => setFind(event.currentTarget.value)}
          />
        )}
        <Copy
          kind="quiet"
          isSmall
          label="Copy both bodies"
          text={() => `${request.text ?? ''}\n\n${response.text ?? ''}`}
        >
          Copy
        </Copy>
      </div>
      <Notes details={details} />
      <div class="cvbody" tabIndex={0} role="region" aria-label="Bodies">
        {!isRead && view !== 'raw' && view !== 'headers' ? (
          <p class="pb">
            The bodies are long ({text(bytes((request.text?.length ?? 0) + (response.text?.length ?? 0)))}).{' '}
            <Button isSmall onClick={() => setAllRead(true)}>
              Read them as JSON
            </Button>
          </p>
        ) : view === 'chat' ? (
          <ChatView
            talk={talk}
            asked={asked}
            answered={answered}
            find={find}
            tokens={details.usage?.output_tokens}
          />
        ) : view === 'json' ? (
          <Both
            of={(which) => (
              <JsonBody body={details.bodies[which]} read={which === 'request' ? asked : answered} />
            )}
          />
        ) : view === 'raw' ? (
          <Both of={(which) => <RawBody body={details.bodies[which]} find={find} />} />
        ) : (
          <Headers details={details} />
        )}
      </div>
    </section>
  );
};

const isBinary = (...bodies: readonly ShownBody[]): boolean =>
  bodies.some(({ base64 }) => base64 !== undefined);

/** `5 messages in, 1 out, 2 tools`. */
function summary({ api, messages, tools }: Conversation): string {
  const out = messages.filter(({ isOutput }) => isOutput).length;
  const into = messages.length - out;
  return [
    api,
    `${into} ${into === 1 ? 'message' : 'messages'} in`,
    `${out} out`,
    ...(tools.length > 0 ? [`${tools.length} ${tools.length === 1 ? 'tool' : 'tools'}`] : []),
  ].join(', ');
}

/** Why bodies are missing, and where that is set. */
const Notes = ({ details: { bodies } }: { readonly details: RequestJson }): JSX.Element => (
  <>
    {bodyNotes(bodies.request, bodies.response).map(({ of, text: said, setting }) => (
      <div key={of} class="banner info">
        <Icon name="info" isSmall />
        <span class="grow">
          {said}
          {setting !== undefined && (
            <>
              {' '}
              <code>{setting.name}</code> is <code>{setting.value}</code>
              {setting.path !== undefined && (
                <>
                  {' '}
                  for <code>{visibleLine(setting.path)}</code>
                </>
              )}
              .
            </>
          )}
        </span>
        {setting !== undefined && (
          <a
            class="btn sm"
            href={addressOf({ page: 'settings', section: 'config', id: undefined }, { find: setting.name })}
          >
            Where that is set
          </a>
        )}
      </div>
    ))}
  </>
);

const ChatView = ({
  talk,
  asked,
  answered,
  find,
  tokens,
}: {
  readonly talk: Conversation | undefined;
  readonly asked: ReadBody;
  readonly answered: ReadBody;
  readonly find: string;
  readonly tokens: number | undefined;
}): JSX.Element => {
  if (talk !== undefined)
    return (
      <>
        {[asked, answered].some(({ form }) => form === 'cut') && (
          <p class="cvnote">The end of a body is missing. This is the stored part.</p>
        )}
        {answered.form === 'stream' && (
          <p class="cvnote">
            The response is a stream that was stored as it came; its events are joined here.
          </p>
        )}
        <Chat messages={talk.messages} find={find} outputTokens={tokens} />
      </>
    );
  if (asked.form === 'none' && answered.form === 'none')
    return <p class="cvnote">There is no stored body.</p>;
  return (
    <>
      <p class="cvnote">This is not a conversation of a known API. The bodies:</p>
      <Both
        of={(which) => {
          const read = which === 'request' ? asked : answered;
          return <Value read={read} find={find} />;
        }}
      />
    </>
  );
};

const Both = ({ of }: { readonly of: (which: 'request' | 'response') => ComponentChildren }): JSX.Element => (
  <div class="both">
    <div>
      <h3>Request</h3>
      {of('request')}
    </div>
    <div>
      <h3>Response</h3>
      {of('response')}
    </div>
  </div>
);

const NoBody = ({ body }: { readonly body: ShownBody }): JSX.Element => (
  <p class="dim">{body.reason === 'none' || body.state === 'kept' ? 'No body' : 'Not kept'}</p>
);

const Value = ({ read, find }: { readonly read: ReadBody; readonly find: string }): JSX.Element => {
  if (read.form === 'none') return <p class="dim">No body</p>;
  if (read.form === 'text')
    return (
      <>
        <p class="hint">Not valid JSON: {visibleLine(read.problem)}</p>
        <pre>
          <LongText text={read.text} find={find} />
        </pre>
      </>
    );
  return (
    <>
      {read.form === 'cut' && <p class="hint">The end is missing: {visibleLine(read.problem)}</p>}
      {read.form === 'stream' && <p class="hint">A stream; its events are joined.</p>}
      <JsonTree value={read.value} label="JSON" />
    </>
  );
};

const JsonBody = ({ body, read }: { readonly body: ShownBody; readonly read: ReadBody }): JSX.Element =>
  body.text === undefined && body.base64 === undefined ? (
    <NoBody body={body} />
  ) : body.base64 === undefined ? (
    <Value read={read} find="" />
  ) : (
    <Hex base64={body.base64} />
  );

const RawBody = ({ body, find }: { readonly body: ShownBody; readonly find: string }): JSX.Element => {
  if (body.base64 !== undefined) return <Hex base64={body.base64} />;
  if (body.text === undefined) return <NoBody body={body} />;
  return (
    <pre>
      <LongText text={body.text} find={find} />
    </pre>
  );
};

/** Bytes shown at once. */
const HEX_PIECE = 4096;

const Hex = ({ base64 }: { readonly base64: string }): JSX.Element => {
  const all = useMemo(() => bytesOfBase64(base64), [base64]);
  const [limit, setLimit] = useState(HEX_PIECE);
  return (
    <>
      <pre class="hex">{hexLines(all, 0, limit)}</pre>
      {all.length > limit && (
        <Button isSmall onClick={() => setLimit(limit + 4 * HEX_PIECE)}>
          {text(bytes(all.length - limit))} more
        </Button>
      )}
    </>
  );
};

const Headers = ({ details: { headers } }: { readonly details: RequestJson }): JSX.Element => {
  if (headers.request === null && headers.response === null)
    return (
      <p class="cvnote">
        weir stores no headers of the requests that it forwards. Requests that other gateways send to{' '}
        <code>POST /v1/logs</code> have theirs, without secrets.
      </p>
    );
  return <Both of={(which) => <HeaderList headers={headers[which]} />} />;
};

const HeaderList = ({
  headers,
}: {
  readonly headers: Readonly<Record<string, unknown>> | null;
}): JSX.Element =>
  headers === null || Object.keys(headers).length === 0 ? (
    <p class="dim">No headers</p>
  ) : (
    <dl class="kv hdrs mono">
      {Object.entries(headers).map(([name, value]) => (
        <div key={name}>
          <dt>{visibleLine(name)}</dt>
          <dd>{visibleLine(typeof value === 'string' ? value : JSON.stringify(value))}</dd>
        </div>
      ))}
    </dl>
  );
