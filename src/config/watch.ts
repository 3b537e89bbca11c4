// Watches a configuration file or certificate for changes.
// Invariant: a change is reported only after two equal readings, so that a half-written file is not read. A replaced
// file and a link that points to another file (as with a Kubernetes ConfigMap) count as changed.
import { readFile } from 'node:fs/promises';

/** Interval of readings. The file is small, and file system events may get lost. */
const INTERVAL_MS = 1000;

export interface FileWatch {
  /** Tells that `content` was read elsewhere: only a different content counts as changed from now on. */
  wasRead(content: string): void;
  stop(): void;
}

/** Calls `changed` each time the content of `file` differs from the last known one; `known` is the first. */
export function watchFile(file: string, known: string, changed: () => void): FileWatch {
  let seen: string | undefined;
  let isReading = false;
  const check = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    // A missing file is ignored, since it may be in the middle of being replaced.
    const now = await readFile(file, 'utf8').catch(() => undefined);
    isReading = false;
    const isStill = now === seen;
    seen = now;
    if (now === undefined || now === known || !isStill) return;
    known = now;
    changed();
  };
  void check();
  const timer = setInterval(() => void check(), INTERVAL_MS).unref();
  return {
    wasRead(content) {
      known = content;
    },
    stop: () => clearInterval(timer),
  };
}
