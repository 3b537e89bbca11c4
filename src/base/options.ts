// Settings of weir's own voice.
import { choice, flag, section, type Settings } from './settings.ts';

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
