// The queries that were asked in this tab, newest first.
// Invariant: they are kept until the tab is closed and no longer, since they hold names of users.
const NAME = 'weir questions';

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
