// Tells when a configuration file has changed. Must stay true: a file is told of once it has stopped changing, so that
// one that is half written is not read; and a file that is replaced, or a link that is pointed elsewhere (as Kubernetes
// does with a ConfigMap), counts as changed.
import { readFile } from 'node:fs/promises';

/** How often the file is looked at: it is small, and looking is cheaper than all the ways in which events are lost. */
const LOOK_MS = 1000;

/** A file that is watched. */
export interface FileWatch {
  /** The content was read by other means: only another one counts as changed from now on. */
  wasRead(content: string): void;
  stop(): void;
}

/** Calls `changed` when the content of `file` is another one than `known`, until it is stopped. */
export function watchFile(file: string, known: string, changed: () => void): FileWatch {
  let seen: string | undefined;
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    // In the middle of being replaced, or gone: what was read of it last stays in force.
    const now = await readFile(file, 'utf8').catch(() => undefined);
    isLooking = false;
    const isStill = now === seen;
    seen = now;
    if (now === undefined || now === known || !isStill) return;
    known = now;
    changed();
  };
  void look();
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return {
    wasRead(content) {
      known = content;
    },
    stop: () => clearInterval(timer),
  };
}
