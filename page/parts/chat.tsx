// A conversation: who said what, with tool calls, their results and reasoning.
// Invariant: nothing of a message is loaded or interpreted; what is long is folded, and a message is never blank.
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytes, count, text, visible, visibleLine } from '../formats.ts';
import { Icon } from './icons.tsx';
import type { ChatMessage, ChatPart } from './chat-shapes.ts';
import { JsonTree } from './json-tree.tsx';
import { LongText, placesOf } from './long-text.tsx';
import './chat.css';

const ROLES: Readonly<Record<string, string>> = {
  system: 'System',
  developer: 'Developer',
  user: 'User',
  assistant: 'Assistant',
  tool: 'Tool',
  function: 'Tool',
  prompt: 'Prompt',
  completion: 'Completion',
  error: 'Error',
  unknown: 'Unknown',
};

/** Roles whose messages are folded to their first line. */
const FOLDED: ReadonlySet<string> = new Set(['system', 'developer']);
/** Characters of a folded message, and of an answer of a tool that needs no folding. */
const PREVIEW = 160;

export const Chat = ({
  messages,
  find = '',
  outputTokens,
}: {
  readonly messages: readonly ChatMessage[];
  /** Marked in all texts. */
  readonly find?: string;
  /** Of the whole answer, for its last message. */
  readonly outputTokens?: number | undefined;
}): JSX.Element => (
  <ol class="msgs" aria-label="Conversation">
    {messages.map((message, i) => (
      <Message
        key={i}
        message={message}
        find={find}
        tokens={i === messages.length - 1 && message.isOutput ? outputTokens : undefined}
      />
    ))}
  </ol>
);

const Message = ({
  message: { role, name, parts, isOutput, finish },
  find,
  tokens,
}: {
  readonly message: ChatMessage;
  readonly find: string;
  readonly tokens: number | undefined;
}): JSX.Element => {
  const shown = parts.filter((part) => !('text' in part) || part.text !== '' || part.kind === 'result');
  return (
    <li class={`msg${isOutput ? ' out' : ''}${role === 'error' ? ' bad' : ''}`}>
      <div class="ro">
        {ROLES[role] ?? visibleLine(role)}
        {name !== '' && <span class="dim"> {visibleLine(name)}</span>}
      </div>
      <div class="tx">
        {shown.length === 0 && <span class="dim">(empty)</span>}
        {shown.map((part, i) => (
          <Part key={i} part={part} find={find} isFolded={FOLDED.has(role)} />
        ))}
      </div>
      <div class="tk">
        {tokens !== undefined && <div title="Output tokens">{text(count(tokens))}</div>}
        {finish !== '' && <div title="Why the model stopped">{visibleLine(finish)}</div>}
      </div>
    </li>
  );
};

const Part = ({
  part,
  find,
  isFolded,
}: {
  readonly part: ChatPart;
  readonly find: string;
  readonly isFolded: boolean;
}): JSX.Element => {
  switch (part.kind) {
    case 'text':
      return isFolded ? (
        <Folded text={part.text} find={find} />
      ) : (
        <div class="say">
          <LongText text={part.text} find={find} />
        </div>
      );
    case 'reasoning':
      return (
        <div class="think">
          <span class="dim">Reasoning </span>
          <Folded text={part.text} find={find} />
        </div>
      );
    case 'call':
      return (
        <Card
          head={
            <>
              <Icon name="tool" isSmall />
              <span class="mono strong">{visibleLine(part.name) || 'tool'}</span>
              <span class="dim mono el">{visibleLine(part.id)}</span>
            </>
          }
        >
          {part.input !== '' && (
            <pre>
              <ShownJson source={part.input} find={find} />
            </pre>
          )}
        </Card>
      );
    case 'result':
      return <Result part={part} find={find} />;
    case 'media':
      return (
        <span class="media">
          <Icon name="box" isSmall /> {visibleLine(part.type)}
          {part.bytes !== undefined && <> · {text(bytes(part.bytes))}</>}
          {part.url !== '' && (
            <>
              {' '}
              · <span class="mono">{visibleLine(part.url.slice(0, 200))}</span>
            </>
          )}{' '}
          <span class="dim">not loaded</span>
        </span>
      );
    case 'other':
      return <JsonTree value={part.value} label="Part of a message" open={1} />;
  }
};

const Card = ({
  head,
  children,
}: {
  readonly head: ComponentChildren;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <div class="call">
    <div class="c1">{head}</div>
    {children}
  </div>
);

/** The first line of a text, until it is opened or has what is searched. */
const Folded = ({ text: all, find }: { readonly text: string; readonly find: string }): JSX.Element => {
  const [isOpen, setOpen] = useState(false);
  const isFound = placesOf(all, find).length > 0;
  if (all.length <= PREVIEW || isOpen || isFound)
    return (
      <span class="say">
        <LongText text={all} find={find} />
        {isOpen && !isFound && all.length > PREVIEW && (
          <Show onClick={() => setOpen(false)} isOpen>
            fold
          </Show>
        )}
      </span>
    );
  return (
    <span class="say dim">
      {visibleLine(all.slice(0, PREVIEW).toWellFormed())}…{' '}
      <Show onClick={() => setOpen(true)} isOpen={false}>
        {text(count(all.length))} characters, show
      </Show>
    </span>
  );
};

const Show = ({
  onClick,
  isOpen,
  children,
}: {
  readonly onClick: () => void;
  readonly isOpen: boolean;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <button type="button" class="show" aria-expanded={isOpen} onClick={onClick}>
    {children}
  </button>
);

const Result = ({
  part: { id, text: all, isError },
  find,
}: {
  readonly part: Extract<ChatPart, { kind: 'result' }>;
  readonly find: string;
}): JSX.Element => {
  const [isOpen, setOpen] = useState(false);
  const isShown = isOpen || placesOf(all, find).length > 0;
  return (
    <Card
      head={
        <>
          <span class="dim nw">{isError ? <b class="err">error of</b> : 'answer to'}</span>
          <span class="mono">{visibleLine(id) || 'a tool'}</span>
          {!isShown && <span class="mid el">{visibleLine(all.slice(0, PREVIEW).toWellFormed())}</span>}
          <span class="grow" />
          {all === '' ? (
            <span class="dim">empty</span>
          ) : (
            <Show onClick={() => setOpen(!isOpen)} isOpen={isShown}>
              {text(bytes(all.length))}, {isShown ? 'fold' : 'show'}
            </Show>
          )}
        </>
      }
    >
      {isShown && (
        <pre>
          <ShownJson source={all} find={find} />
        </pre>
      )}
    </Card>
  );
};

/** Longest text that is laid out and coloured as JSON. */
const MAX_JSON = 16 * 1024;
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/g;

/** JSON in colours, on several lines if it is long; other texts as they are. */
const ShownJson = ({ source, find }: { readonly source: string; readonly find: string }): JSX.Element => {
  const laidOut = source.length > MAX_JSON || find !== '' ? undefined : layOut(source);
  if (laidOut === undefined) return <LongText text={source} find={find} />;
  const out: ComponentChildren[] = [];
  let from = 0;
  for (const match of laidOut.matchAll(TOKENS)) {
    const [all, string, colon, number] = match;
    out.push(laidOut.slice(from, match.index));
    const tone =
      string === undefined ? (number === undefined ? 'jw' : 'jn') : colon === undefined ? 'js' : 'jkey';
    out.push(
      <span key={match.index} class={tone}>
        {visible(string ?? all)}
      </span>,
      colon ?? '',
    );
    from = match.index + all.length;
  }
  return (
    <>
      {out}
      {laidOut.slice(from)}
    </>
  );
};

/** JSON with spaces and line ends; `undefined` for other texts. */
function layOut(source: string): string | undefined {
  try {
    const value: unknown = JSON.parse(source);
    if (typeof value !== 'object' || value === null) return undefined;
    const wide = JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ');
    return wide.length <= 90 ? wide : JSON.stringify(value, null, 2);
  } catch {
    // Not JSON, or cut: it is shown as it came.
    return undefined;
  }
}
