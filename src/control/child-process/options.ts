// Settings of the supervised replica.
import { duration, section, type Settings } from '../../core/settings.ts';

export const childOptions = section({
  restart_delay: duration({
    default: 500,
    min: 10,
    doc: 'Wait before a replica that died is started again; doubles each time.',
  }),
  restart_delay_max: duration({ default: 30_000, min: 10, doc: 'Largest such wait.' }),
  steady_after: duration({
    default: 60_000,
    min: 100,
    doc: 'A replica that ran this long begins anew with the smallest wait.',
  }),
  stop_timeout: duration({
    default: 10_000,
    min: 0,
    doc: 'How long it may take to end after SIGTERM before SIGKILL.',
  }),
});
export type ChildOptions = Settings<typeof childOptions>;
