// Settings of weir's own log (section `log`) and of the data folder (section `data`).
import { choice, flag, section, text } from './settings.ts';

export const logOptions = section({
  level: choice(['debug', 'info', 'warn', 'error'], {
    default: 'info',
    doc: 'Minimum level of weir’s own log lines. debug adds several lines per request.',
  }),
  format: choice(['auto', 'json', 'text'], {
    default: 'auto',
    doc: 'Format of the lines on stdout. auto: text on a terminal, JSON elsewhere.',
  }),
  access: flag({ default: true, doc: 'Write one line per request (access log).' }),
});

export const dataOptions = section({
  dir: text({
    default: 'weir-data',
    doc: 'Folder for data that must survive a restart: queued tasks, the log store, state of exports, API keys, prices, projects.',
  }),
});
