// Settings of weir's own log (section `log`), of the data folder (section `data`), and the number of data threads.
import { choice, flag, intOrAuto, section, text } from './settings.ts';

/** Most data threads: each costs memory, and a port that many threads listen on balances no better with more. */
const MAX_THREADS = 64;

export const threadsOption = intOrAuto({
  default: 1,
  min: 1,
  max: MAX_THREADS,
  doc: 'Threads that serve requests, all on one port. auto: one for each CPU that the process may use. More than one needs a TCP address in `ingress.listen`.',
});

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
