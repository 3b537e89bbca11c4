// Settings of asynchronous requests (section `async`): where tasks are kept, and how they are worked on.
import { bytes, duration, flag, int, section, text, type Settings } from '../../core/settings.ts';

const HOURS = 3_600_000;

export const queueOptions = section({
  store: text({
    default: 'file',
    pattern: /^(file|memory|rediss?:\/\/\S+)$/,
    like: 'file, memory (nothing survives) or a URL such as redis://127.0.0.1:6379/0',
    show: (store) => store.replace(/\/\/.*@/, '//***@'),
    doc: 'Where tasks are kept: file (SQLite under data.dir), memory, or redis://… for several sidecars with one queue.',
  }),
  redis_prefix: text({
    default: 'weir',
    pattern: /^[A-Za-z0-9._:-]{1,64}$/,
    like: 'up to 64 letters, digits, dots, colons, dashes or underscores',
    doc: 'What keys in Redis begin with; sidecars with the same one share a queue.',
  }),
  fsync: flag({
    default: true,
    doc: 'A task is on disk before its 201. false: nothing is synced; tasks survive the end of the process, but a power cut may damage the file.',
  }),
  max_store_bytes: bytes({
    default: 8 * 1024 ** 3,
    min: 1024 ** 2,
    doc: 'Largest the file may become; then submits get 507.',
  }),
  max_body: bytes({ default: 256 * 1024, min: 1, doc: 'Largest body of async_predict.' }),
  max_tasks: int({
    default: 50_000,
    min: 1,
    max: 100_000_000,
    doc: 'Tasks of a deployment that wait or run; further submits get 429.',
  }),
  concurrency: int({
    default: 16,
    min: 1,
    max: 10_000,
    doc: 'Tasks of a deployment that run at once, as far as synchronous requests leave room.',
  }),
  run_timeout: duration({ default: HOURS, min: 100, doc: 'How long one run of a task may take.' }),
  max_result: bytes({
    default: 10 * 1024 ** 2,
    max: 64 * 1024 ** 2,
    doc: 'Largest answer of the model that is kept for a webhook or for keep_results; a larger one fails the task.',
  }),
  keep_results: flag({
    default: false,
    doc: 'Keep what the model answered for GET /async_request/{id}/result.',
  }),
  retention: duration({ default: HOURS, min: 1000, doc: 'How long a finished task can be asked for.' }),
  submit_rate: int({
    default: 200,
    min: 0,
    max: 1_000_000,
    doc: 'Submits a second; more get 429. 0: any number.',
  }),
  status_rate: int({
    default: 20,
    min: 0,
    max: 1_000_000,
    doc: 'Questions for a task, for a queue, and cancels: each so many a second. 0: any number.',
  }),
});
export type QueueOptions = Settings<typeof queueOptions>;
