// Settings of the supervised process (section `child`).
import { duration, section, type Settings } from '../../core/settings.ts';

export const childOptions = section({
  restart_delay: duration({
    default: 500,
    min: 10,
    doc: 'Pause before a process that exited is restarted. It doubles each time.',
  }),
  restart_delay_max: duration({ default: 30_000, min: 10, doc: 'Maximum pause before a restart.' }),
  steady_after: duration({
    default: 60_000,
    min: 100,
    doc: 'A process that ran this long is restarted with the smallest pause again.',
  }),
  stop_timeout: duration({
    default: 10_000,
    min: 0,
    doc: 'Maximum time to exit after SIGTERM. Then SIGKILL is sent.',
  }),
});
export type ChildOptions = Settings<typeof childOptions>;
