// Settings: what the admin API lets be changed, one section at an address.
// Invariant: a section that the key cannot use stays in the list, and says which scope it needs.
import './settings.css';
import type { ComponentType, JSX } from 'preact';
import { missing } from '../../me.ts';
import { Icon } from '../../parts/icons.tsx';
import { addressOf, type Section } from '../../routes.ts';
import { route } from '../../state.ts';
import { Configuration } from './configuration.tsx';
import { Connections } from './connections.tsx';
import { Keys } from './keys.tsx';
import { PriceTable } from './price-table.tsx';
import { Scoring } from './scoring.tsx';
import { Tags } from './tags.tsx';

/** Name, part and scope of each section. */
const SECTIONS: Readonly<Record<Section, readonly [string, ComponentType, string]>> = {
  connections: ['Connections', Connections, 'export'],
  keys: ['API keys', Keys, 'admin'],
  tags: ['Tags', Tags, 'logs:read'],
  scoring: ['Online scoring', Scoring, 'logs:read'],
  prices: ['Prices', PriceTable, 'admin'],
  config: ['Configuration', Configuration, 'admin'],
};

const Settings = (): JSX.Element => {
  const here = route.value;
  const section = here.page === 'settings' ? here.section : 'connections';
  const [, Shown, scope] = SECTIONS[section];
  const off = missing(scope);
  return (
    <div class="settings">
      <nav aria-label="Settings">
        {(Object.keys(SECTIONS) as Section[]).map((one) => (
          <>
            {one === 'config' && <hr />}
            <a
              key={one}
              href={addressOf({ page: 'settings', section: one, id: undefined })}
              aria-current={one === section ? 'page' : undefined}
            >
              {SECTIONS[one][0]}
            </a>
          </>
        ))}
      </nav>
      <div class="sbody">
        {off === undefined ? (
          <Shown key={section} />
        ) : (
          <div class="empty">
            <Icon name="key" />
            <p>{off}</p>
          </div>
        )}
      </div>
    </div>
  );
};

export default Settings;
