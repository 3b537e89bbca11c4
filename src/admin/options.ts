// Settings of the admin door.
import { address, secret, section, type Settings } from '../base/settings.ts';

export const adminOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 9464 },
    alias: 'admin',
    doc: 'Where /metrics, /livez, /readyz and the admin API are.',
  }),
  key: secret({
    minLength: 16,
    doc: 'Key for the admin API (Authorization: Bearer …); without one it answers loopback only.',
  }),
});
export type AdminOptions = Settings<typeof adminOptions>;
