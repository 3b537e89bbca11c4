// Downloads of this tab: jobs of weir that write files, and how far they are.
// Invariant: a job is looked at only while it runs and the tab is seen; a file that is not complete is never called so.
import { effect, signal } from '@preact/signals';
import type { DownloadMade, DownloadProgress } from '../../../src/control/admin/answers/download-answers.ts';
import { ask, get } from '../../api/client.ts';
import { isVisible } from '../../state.ts';

export type DownloadFormat = DownloadProgress['format'];

/** A download of this tab. */
export interface TabDownload {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly startedMs: number;
  /** `undefined`: not known yet. */
  readonly progress: DownloadProgress | undefined;
  /** Why nothing is known of it. */
  readonly problem: string;
}

const EVERY_MS = 500;
const MOST = 6;

export const downloads = signal<readonly TabDownload[]>([]);

const change = (id: string, changes: Partial<TabDownload>): void =>
  void (downloads.value = downloads.peek().map((one) => (one.id === id ? { ...one, ...changes } : one)));

const isRunning = ({ progress, problem }: TabDownload): boolean =>
  problem === '' && (progress === undefined || progress.state === 'running');

/** A download that is not done, for the status bar. */
export const running = (): TabDownload | undefined => downloads.value.find(isRunning);

async function look(): Promise<void> {
  for (const one of downloads.peek()) {
    if (!isRunning(one)) continue;
    const answer = await get<DownloadProgress>(`/v1/logs/downloads/${encodeURIComponent(one.id)}`);
    if (answer.ok) change(one.id, { progress: answer.value });
    else if (answer.error.status >= 400)
      change(one.id, {
        problem: answer.error.status === 404 ? 'The file was deleted' : answer.error.message,
      });
  }
}

let isWatching = false;

/** Looks at running downloads until there is none. */
function watch(): void {
  if (isWatching) return;
  isWatching = true;
  const dispose = effect(() => {
    if (!isVisible.value) return undefined;
    let isAsking = false;
    const timer = setInterval(() => {
      if (isAsking) return;
      isAsking = true;
      void look().finally(() => {
        isAsking = false;
        if (downloads.peek().some(isRunning)) return;
        isWatching = false;
        clearInterval(timer);
        queueMicrotask(() => dispose());
      });
    }, EVERY_MS);
    return () => clearInterval(timer);
  });
}

/** Has the browser fetch a file under its name. */
function fetchFile(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

/** The address of a file on this origin: weir may know itself by another name than the browser does. */
const ownAddress = (url: string): string => {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
};

/** Begins a download. Returns what weir refuses it for; '' if it has begun. */
export async function begin(
  question: Readonly<Record<string, string>>,
  format: DownloadFormat,
  columns: readonly string[] | undefined,
  name: string,
): Promise<string> {
  const answer = await ask<DownloadMade>('POST', '/v1/logs/downloads', {
    body: { ...question, format, ...(columns !== undefined && { columns }) },
  });
  if (!answer.ok) return answer.error.message;
  const { id, url } = answer.value;
  const one: TabDownload = {
    id,
    name: `${name}.${format}`,
    url: ownAddress(url),
    startedMs: Date.now(),
    progress: undefined,
    problem: '',
  };
  downloads.value = [one, ...downloads.peek()].slice(0, MOST);
  fetchFile(one.url, one.name);
  watch();
  return '';
}

/** Stops a download; its file is deleted, and the browser's transfer breaks. */
export async function stopDownload(id: string): Promise<void> {
  const answer = await ask('DELETE', `/v1/logs/downloads/${encodeURIComponent(id)}`);
  if (answer.ok || answer.error.status === 404) change(id, { problem: 'Stopped' });
  else change(id, { problem: answer.error.message });
}

/** Fetches a file again that is complete and still kept. */
export const fetchAgain = ({ url, name }: TabDownload): void => fetchFile(url, name);
