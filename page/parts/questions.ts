// The queries that were asked in this tab, newest first.
// Invariant: they are kept until the tab is closed and no longer, since they hold names of users.
const NAME = 'weir questions';
const MOST = 50;

/** Empty if there is none, or if the browser forbids it. */
export function questions(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(NAME) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
  } catch {
    // The browser forbids it, or another program wrote there.
    return [];
  }
}

/** Keeps a question until the tab is closed. */
export function keepQuestion(text: string): void {
  if (text.trim() === '') return;
  const all = [text, ...questions().filter((one) => one !== text)].slice(0, MOST);
  try {
    sessionStorage.setItem(NAME, JSON.stringify(all));
  } catch {
    // The browser forbids it: there is no history.
  }
}
