// Settings of weir's own voice, and of the place where all rooms keep what must survive a restart.
import { choice, flag, section, text, type Settings } from './settings.ts';

export const logOptions = section({
  level: choice(['debug', 'info', 'warn', 'error'], {
    default: 'info',
    doc: 'Least severity of the events that weir writes about itself.',
  }),
  format: choice(['auto', 'json', 'text'], {
    default: 'auto',
    doc: 'How lines look on stdout: auto is text on a terminal and JSON elsewhere.',
  }),
  access: flag({ default: true, doc: 'One line for every exchange.' }),
});
export type LogOptions = Settings<typeof logOptions>;

export const dataOptions = section({
  dir: text({
    default: 'weir-data',
    doc: 'Folder for what must survive a restart: asynchronous tasks, the record of requests and lines, exports.',
  }),
});
export type DataOptions = Settings<typeof dataOptions>;
