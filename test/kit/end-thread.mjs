// Loaded into weir by NODE_OPTIONS (--import): ends a data thread when the file $TEST_END_THREAD/<number of the thread>
// appears. `error` in the file: by an uncaught error; `exit`: at once.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, workerData } from 'node:worker_threads';

if (!isMainThread && workerData?.pool !== undefined) {
  const file = join(process.env.TEST_END_THREAD, String(workerData.thread));
  setInterval(() => {
    let how;
    try {
      how = readFileSync(file, 'utf8');
    } catch {
      return;
    }
    rmSync(file);
    if (how === 'exit') process.exit(7);
    throw new Error('ended by the test');
  }, 20).unref();
}
