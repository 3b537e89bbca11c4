// The frame of the page: top bar, the page of the present route, status bar.
// Invariant: a page that fails to draw does not take the frame with it.
import type { JSX, ComponentType } from 'preact';
import { Component } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { askAgain, hasKey, outage, refusal, setKey } from './api/client.ts';
import { carried, copyLink, switchTheme, switchZone } from './commands.ts';
import { ago, clock, count, duration, memory, text } from './formats.ts';
import { useKeys } from './keys.ts';
import { me } from './me.ts';
import { KeyPage } from './pages/key.tsx';
import { Button, State } from './parts/basics.tsx';
import { Drop, toast, Toasts } from './parts/floating.tsx';
import { Icon, Logo } from './parts/icons.tsx';
import { spanText } from './parts/time-range.ts';
import { addressOf, type Route } from './routes.ts';
import { announcement, goTo, isDark, isGoToOpen, isHelpOpen, route, status, zone } from './state.ts';

type Loader = () => Promise<{ readonly default: ComponentType }>;

/** Pages are loaded with their first visit. */
const PAGES: Readonly<Record<Route['page'], Loader>> = {
  overview: () => import('./pages/overview/overview.tsx'),
  logs: () => import('./pages/logs/logs.tsx'),
  request: () => import('./pages/request/request.tsx'),
  trace: () => import('./pages/request/request.tsx'),
  find: () => import('./pages/find/find.tsx'),
  monitor: () => import('./pages/monitor/monitor.tsx'),
  exports: () => import('./pages/exports/exports.tsx'),
  settings: () => import('./pages/settings/settings.tsx'),
  unknown: () => import('./pages/find/unknown.tsx'),
};

const NAV = [
  ['Overview', { page: 'overview' }],
  ['Logs', { page: 'logs' }],
  ['Monitor', { page: 'monitor' }],
  ['Exports', { page: 'exports', id: undefined }],
  ['Settings', { page: 'settings', section: 'connections', id: undefined }],
] as const satisfies readonly (readonly [string, Route])[];

/** The entry of the navigation that a route belongs to. */
const entryOf = ({ page }: Route): string =>
  page === 'request' || page === 'trace' || page === 'find' ? 'logs' : page;

/** Ready replicas of all deployments. */
const replicaCounts = (): { readonly ready: number; readonly total: number } => {
  const deployments = me.value?.deployments ?? [];
  const sum = (of: 'replicas' | 'ready_replicas'): number =>
    deployments.reduce((all, one) => all + one[of], 0);
  return { ready: sum('ready_replicas'), total: sum('replicas') };
};

const Top = (): JSX.Element => {
  const current = entryOf(route.value);
  const { ready, total } = replicaCounts();
  const model = me.value?.model;
  return (
    <header class="top">
      <a class="skip" href="#main">
        To the content
      </a>
      <a class="brand" href="/ui/" aria-label="weir, Overview">
        <Logo />
        <span class="nmob">weir</span>
      </a>
      {/* It has its place before it is known, so that the bar does not move. */}
      <div class="who nmob" title={model?.id}>
        <span class="strong el">{model?.name || model?.id}</span>
        {model !== undefined && model.name !== '' && model.name !== model.id && (
          <span class="mono dim el">{model.id}</span>
        )}
      </div>
      <nav class="nav" aria-label="Pages">
        {NAV.map(([shown, to]) => (
          <a
            key={shown}
            href={addressOf(to, carried())}
            aria-current={entryOf(to) === current ? 'page' : undefined}
          >
            {shown}
          </a>
        ))}
      </nav>
      <span class="grow" />
      <button type="button" class="goto" onClick={() => (isGoToOpen.value = true)}>
        <span class="vh">Go to:</span>
        <Icon name="search" isSmall />
        <span class="grow el">Request id, trace id, or a command</span>
        <kbd>Ctrl K</kbd>
      </button>
      <a class="btn quiet health nmob" href="/ui/" title="Ready replicas">
        {total > 0 && (
          <State shape={ready === total ? 'ok' : ready === 0 ? 'err' : 'warn'}>
            {ready} of {total} {total === 1 ? 'replica' : 'replicas'}
          </State>
        )}
      </a>
      <div class="row gap4 nmob">
        <Button
          kind="quiet"
          icon="clock"
          label={`Times are ${zone.value === 'UTC' ? 'UTC' : 'local'}; press u for ${zone.value === 'UTC' ? 'local ones' : 'UTC'}`}
          onClick={switchZone}
        >
          {zone.value === 'UTC' ? 'UTC' : 'local'}
        </Button>
        <Button
          kind="bare"
          icon={isDark.value ? 'sun' : 'moon'}
          label={isDark.value ? 'Light theme' : 'Dark theme'}
          onClick={switchTheme}
        />
      </div>
      <KeyMenu />
    </header>
  );
};

const KeyMenu = (): JSX.Element => {
  const key = me.value?.key;
  return (
    <Drop label={key?.name == null ? 'No key' : `Key: ${key.name}`} icon="key" class="ib" isRight>
      {(close) => (
        <div class="pb keymenu">
          {key === undefined || key.is_without_key ? (
            <p>No key is needed from this machine.</p>
          ) : (
            <>
              <p class="strong">{key.name}</p>
              <p class="mid">May: {key.scopes.join(', ')}</p>
              {key.expires_at !== null && <p class="mid">Expires {key.expires_at}</p>}
            </>
          )}
          {hasKey.value && (
            <Button
              onClick={() => {
                setKey('', false);
                close();
              }}
            >
              Forget the key
            </Button>
          )}
        </div>
      )}
    </Drop>
  );
};

/** Said in the status bar, so that nothing moves when weir goes and comes back. */
const Outage = (): JSX.Element | null => {
  const [, tick] = useState(0);
  const away = outage.value;
  useEffect(() => {
    if (away === undefined) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [away]);
  if (away === undefined) return null;
  const wait = Math.max(0, Math.ceil((away.nextMs - Date.now()) / 1000));
  return (
    <footer class="foot outage">
      <Icon name="error" isSmall />
      <span role="alert" class="el">
        weir has not answered since {clock(away.sinceMs, zone.value, 'seconds')}. The last answers stay on the
        screen.
      </span>
      <span class="nmob">Next try {wait === 0 ? 'now' : `in ${wait} s`}.</span>
      <span class="grow" />
      <button type="button" class="footbtn" onClick={askAgain}>
        Try now
      </button>
    </footer>
  );
};

const Foot = (): JSX.Element => {
  const now = Date.now();
  const known = me.value;
  const store = known?.store;
  return (
    <footer class="foot">
      {refusal.value !== undefined ? (
        <State shape="warn">a key is needed</State>
      ) : (
        <State shape={known === undefined ? 'idle' : known.weir.is_draining ? 'paused' : 'ok'}>
          {known === undefined ? 'connecting' : known.weir.is_draining ? 'shutting down' : 'connected'}
        </State>
      )}
      {store !== undefined && store !== null && (
        <>
          {store.newest_seq !== null && (
            <span class="w110" title="Number of the newest record">
              records <b class="num">{text(count(store.newest_seq))}</b>
            </span>
          )}
          {store.oldest_ns !== null && (
            <span class="w110 nmob">
              kept <b>{ago(Number(store.oldest_ns) / 1e6, now).replace(' ago', '')}</b> of{' '}
              {spanText(store.retention_ms)}
            </span>
          )}
          <span class="w140 nmob">
            <b class="num">{text(memory(store.bytes))}</b> of {text(memory(store.max_bytes))}
          </span>
          <span class={store.lost > 0 ? 'warn' : 'nmob'}>
            lost <b class="num">{text(count(store.lost))}</b>
          </span>
        </>
      )}
      <span class="grow" />
      {known !== undefined && (
        <>
          <span class="nmob">weir {known.weir.version}</span>
          <span class="nmob up">up {text(duration(now - Number(known.weir.started_ns) / 1e6))}</span>
        </>
      )}
      <span role="status" class="el">
        {status.value}
      </span>
      <button type="button" class="footbtn" onClick={() => (isHelpOpen.value = true)}>
        <kbd>?</kbd> keys
      </button>
    </footer>
  );
};

/** Shows an error of a page in its place. */
class Boundary extends Component<{ readonly of: string; readonly children: JSX.Element }, { error?: Error }> {
  override state: { error?: Error } = {};

  override componentDidCatch(error: Error): void {
    this.setState({ error });
  }

  override render(): JSX.Element {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <div class="empty" role="alert">
        <Icon name="error" />
        <p>This page has failed: {error.message}</p>
        <p>The address keeps what you asked for. Reload the page; if it fails again, please report it.</p>
      </div>
    );
  }
}

const loaded = signal<Readonly<Partial<Record<Route['page'], ComponentType>>>>({});

const Content = (): JSX.Element => {
  const { page } = route.value;
  const [failure, setFailure] = useState('');
  const Shown = loaded.value[page];
  useEffect(() => {
    if (loaded.peek()[page] !== undefined) return;
    setFailure('');
    PAGES[page]().then(
      ({ default: one }) => (loaded.value = { ...loaded.peek(), [page]: one }),
      (error: unknown) => setFailure(String(error)),
    );
  }, [page]);
  // A page that was shown stays as it is behind the question for a key, with what has been typed.
  const wanted = refusal.value;
  if (Shown === undefined) {
    if (wanted !== undefined) return <KeyPage refusal={wanted} />;
    return failure === '' ? <div class="loading" /> : <NotLoaded />;
  }
  return (
    <>
      {wanted !== undefined && <KeyPage refusal={wanted} />}
      <div class="pagebox" hidden={wanted !== undefined}>
        <Boundary key={page} of={page}>
          <Shown />
        </Boundary>
      </div>
    </>
  );
};

const NotLoaded = (): JSX.Element => (
  <div class="empty" role="alert">
    <p>A file of the page could not be loaded. If weir has been updated, reload the page.</p>
    <Button onClick={() => location.reload()}>Reload</Button>
  </div>
);

export const App = (): JSX.Element => {
  useKeys('everywhere', {
    goTo: () => void (isGoToOpen.value = !isGoToOpen.value),
    help: () => void (isHelpOpen.value = true),
    overview: () => goTo({ page: 'overview' }, carried()),
    logs: () => goTo({ page: 'logs' }, carried()),
    monitor: () => goTo({ page: 'monitor' }, carried()),
    exports: () => goTo({ page: 'exports', id: undefined }),
    settings: () => goTo({ page: 'settings', section: 'connections', id: undefined }),
    zone: switchZone,
    link: copyLink,
    query: () => {
      const field = document.querySelector<HTMLInputElement>('.q input');
      field?.focus();
      return field !== null;
    },
  });
  const { page } = route.value;
  useEffect(() => {
    document.title = `${NAV.find(([, to]) => entryOf(to) === entryOf(route.peek()))?.[0] ?? 'weir'} · ${me.peek()?.model.name || 'weir'}`;
    // After a change of the page, not at its first load.
    if (document.activeElement !== document.body) document.getElementById('main')?.focus();
  }, [page]);
  return (
    <>
      <Top />
      <main id="main" tabIndex={-1}>
        <Content />
      </main>
      {outage.value === undefined ? <Foot /> : <Outage />}
      <GoToAndHelp />
      <Toasts />
      <div class="vh" aria-live="polite">
        {announcement.value}
      </div>
    </>
  );
};

/** Pause after which the list of commands is loaded, so that the first Ctrl K shows it at once. Milliseconds. */
const PRELOAD_MS = 1500;

const GoToAndHelp = (): JSX.Element | null => {
  const [parts, setParts] = useState<{ readonly GoTo: ComponentType; readonly Help: ComponentType }>();
  const isWanted = isGoToOpen.value || isHelpOpen.value;
  useEffect(() => {
    if (parts !== undefined) return undefined;
    const timer = setTimeout(
      () => {
        void Promise.all([import('./pages/find/go-to.tsx'), import('./pages/find/help.tsx')]).then(
          ([a, b]) => setParts({ GoTo: a.default, Help: b.default }),
          () => {
            if (!isWanted) return;
            isGoToOpen.value = false;
            isHelpOpen.value = false;
            toast('A file of the page could not be loaded. If weir has been updated, reload the page.', {
              isError: true,
            });
          },
        );
      },
      isWanted ? 0 : PRELOAD_MS,
    );
    return () => clearTimeout(timer);
  }, [isWanted, parts === undefined]);
  if (!isWanted || parts === undefined) return null;
  return isGoToOpen.value ? <parts.GoTo /> : <parts.Help />;
};
