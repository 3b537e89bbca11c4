// Watches a configuration file or certificate for changes.
// Invariant: a change is reported only after two equal readings, so that a half-written file is not read. A replaced
// file and a link that points to another file (as with a Kubernetes ConfigMap) count as changed.
import { readFile, stat } from 'node:fs/promises';

/** Interval of checks, since file system events may get lost. */
const INTERVAL_MS = 1000;
/** A file that has not changed for so long is not read again while its times and its size stay as they are. */
const SETTLED_MS = 5000;

export interface FileWatch {
  /** Tells that `content` was read elsewhere: only a different content counts as changed from now on. */
  wasRead(content: string): void;
  stop(): void;
}

/** Calls `changed` each time the content of `file` differs from the last known one; `known` is the first. */
export function watchFile(file: string, known: string, changed: () => void): FileWatch {
  let seen: string | undefined;
  let isReading = false;
  /** State of the file when it was read last, if it had the known content and had not changed for a while. */
  let settled = '';
  const check = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    const state = await stateOf(file);
    if (state !== undefined && state.text === settled) {
      isReading = false;
      return;
    }
    // A missing file is ignored, since it may be in the middle of being replaced.
    const now = await readFile(file, 'utf8').catch(() => undefined);
    isReading = false;
    const isStill = now === seen;
    seen = now;
    settled = now === known && state?.isOld === true ? state.text : '';
    if (now === undefined || now === known || !isStill) return;
    known = now;
    changed();
  };
  void check();
  const timer = setInterval(() => void check(), INTERVAL_MS).unref();
  return {
    wasRead(content) {
      known = content;
      settled = '';
    },
    stop: () => clearInterval(timer),
  };
}

/** What tells one state of a file from another, and whether it is older than a write that could be going on. */
async function stateOf(
  file: string,
): Promise<{ readonly text: string; readonly isOld: boolean } | undefined> {
  // A missing file is the same as one that cannot be read.
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  const { dev, ino, size, mtimeMs, ctimeMs } = found;
  return { text: [dev, ino, size, mtimeMs, ctimeMs].join(' '), isOld: Date.now() - ctimeMs > SETTLED_MS };
}
