// Settings of asynchronous requests (section `async`).
import { bytes, duration, flag, int, section, text, type Settings } from '../../core/settings.ts';

const HOURS = 3_600_000;

export const queueOptions = section({
  store: text({
    default: 'file',
    pattern: /^(file|memory|rediss?:\/\/\S+)$/,
    like: 'file, memory (lost on exit) or a URL such as redis://127.0.0.1:6379/0',
    show: (store) => store.replace(/\/\/.*@/, '//***@'),
    doc: 'Where tasks are stored: file (SQLite in data.dir), memory (lost on exit), or redis://… for several sidecars that share a queue.',
  }),
  redis_prefix: text({
    default: 'weir',
    pattern: /^[A-Za-z0-9._:-]{1,64}$/,
    like: 'up to 64 letters, digits, dots, colons, dashes or underscores',
    doc: 'Prefix of all keys in Redis. Sidecars with the same prefix share a queue.',
  }),
  fsync: flag({
    default: true,
    doc: 'Sync a task to disk before its 201. With false, tasks survive a crash of the process, but a power cut may damage the file.',
  }),
  max_store_bytes: bytes({
    default: 8 * 1024 ** 3,
    min: 1024 ** 2,
    doc: 'Maximum size of the file. When it is full, submits get 507.',
  }),
  max_body: bytes({ default: 256 * 1024, min: 1, doc: 'Maximum size of the body of async_predict.' }),
  max_tasks: int({
    default: 50_000,
    min: 1,
    max: 100_000_000,
    doc: 'Maximum queued and running tasks per deployment. Further submits get 429.',
  }),
  concurrency: int({
    default: 16,
    min: 1,
    max: 10_000,
    doc: 'Maximum concurrent tasks per deployment. Tasks only use replicas that no synchronous request waits for.',
  }),
  run_timeout: duration({ default: HOURS, min: 100, doc: 'Maximum time of one attempt to run a task.' }),
  max_result: bytes({
    default: 10 * 1024 ** 2,
    max: 64 * 1024 ** 2,
    doc: 'Maximum size of a response that is stored for a webhook or for keep_results. A larger response fails the task.',
  }),
  keep_results: flag({
    default: false,
    doc: 'Keep responses of the model for GET /async_request/{id}/result.',
  }),
  retention: duration({ default: HOURS, min: 1000, doc: 'How long a finished task is kept.' }),
  submit_rate: int({
    default: 200,
    min: 0,
    max: 1_000_000,
    doc: 'Maximum submits per second. More get 429. 0 means no limit.',
  }),
  status_rate: int({
    default: 20,
    min: 0,
    max: 1_000_000,
    doc: 'Maximum status requests per second, for tasks, queues and cancels separately. More get 429. 0 means no limit.',
  }),
});
export type QueueOptions = Settings<typeof queueOptions>;
