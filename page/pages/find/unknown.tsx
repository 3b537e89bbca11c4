// An address without a page: says so, and lists the pages.
import type { JSX } from 'preact';
import { visibleLine } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { addressOf, type Route } from '../../routes.ts';
import { isGoToOpen, route } from '../../state.ts';
import './find.css';

const PAGES: readonly (readonly [string, Route])[] = [
  ['Overview', { page: 'overview' }],
  ['Logs', { page: 'logs' }],
  ['Monitor', { page: 'monitor' }],
  ['Exports', { page: 'exports', id: undefined }],
  ['Settings', { page: 'settings', section: 'connections', id: undefined }],
];

export default function Unknown(): JSX.Element {
  const here = route.value;
  return (
    <div class="findpage">
      <div class="empty">
        <Icon name="search" />
        <h1>
          There is no page at <code>{visibleLine(here.page === 'unknown' ? here.path : '')}</code>
        </h1>
        <p>
          A request is at /ui/r/ and its id, a trace at /ui/trace/ and its id, any other id at /ui/id/ and the
          id.
        </p>
        <p class="row">
          {PAGES.map(([shown, to]) => (
            <a key={shown} class="btn sm" href={addressOf(to)}>
              {shown}
            </a>
          ))}
          <Button isSmall icon="search" onClick={() => (isGoToOpen.value = true)}>
            Go to an id
          </Button>
        </p>
      </div>
    </div>
  );
}
