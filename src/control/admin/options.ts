// Settings of the admin door.
import { address, flag, secret, section, type Settings } from '../../core/settings.ts';

export const adminOptions = section({
  listen: address({
    default: { host: '0.0.0.0', port: 9464 },
    alias: 'admin',
    doc: 'Where /metrics, /livez, /readyz and the admin API are.',
  }),
  key: secret({
    minLength: 16,
    doc: 'Key for the admin API (Authorization: Bearer …), good for everything; without any key it answers loopback only.',
  }),
  protect_metrics: flag({
    default: false,
    doc: 'Show /metrics only to this machine, and to keys with the scope metrics.',
  }),
});
export type AdminOptions = Settings<typeof adminOptions>;
