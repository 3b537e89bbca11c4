// Settings of the admin server (section `admin`).
import { serverTlsOptions } from '../../core/server-tls-options.ts';
import { address, flag, secret, section, socketMode, wordList, type Settings } from '../../core/settings.ts';
import { EXPORT_NAMES } from './portkey/export-columns.ts';

export const adminOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 9464 },
    alias: 'admin',
    doc: 'Address of the admin server (/metrics, /livez, /readyz and the admin API): `host:port`, or `unix:` and a path.',
  }),
  socket_mode: socketMode({ doc: 'File mode of the admin server’s Unix socket.' }),
  tls: serverTlsOptions('admin server', 'admin.tls'),
  key: secret({
    minLength: 16,
    doc: 'Key of the admin API (Authorization: Bearer …) with all scopes. Without any key, only requests from this machine are allowed: by loopback, or by the Unix socket.',
  }),
  protect_metrics: flag({
    default: false,
    doc: 'Require a key with the scope metrics for /metrics, except from this machine.',
  }),
  page: flag({
    default: true,
    doc: 'Serve the web page at `/ui/`. Its files hold nothing secret; what it shows needs a key as the admin API does.',
  }),
  denied_export_fields: wordList({
    default: [],
    pattern: new RegExp(`^(?:${EXPORT_NAMES.join('|')})$`),
    like: `fields of exports: ${EXPORT_NAMES.join(', ')}`,
    doc: 'Fields that exports (`/v1/logs/exports`) may not have, such as `request, response`. Each is denied under all of its names.',
  }),
});
export type AdminOptions = Settings<typeof adminOptions>;
