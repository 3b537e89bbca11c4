// The address at which a client reaches the data server, from weir's settings.
// Invariant: pure; an address that cannot be known is `undefined`, never a guess.
import type { SettingAnswer } from '../../../src/control/admin/answers/settings-answers.ts';

/** `host`: the name under which the browser reaches weir, for a server that listens on all addresses. */
export function dataUrl(
  settings: readonly Pick<SettingAnswer, 'key' | 'value'>[],
  host: string,
): string | undefined {
  const value = (key: string): string => settings.find((one) => one.key === key)?.value ?? '';
  const [, name, port] = /^(.+):(\d+)$/.exec(value('ingress.listen')) ?? [];
  // Port 0: the system has chosen another one. A Unix socket has none.
  if (name === undefined || port === '0' || name.startsWith('unix:')) return undefined;
  const isAll = name === '0.0.0.0' || name === '[::]' || name === '::';
  return `${value('ingress.tls.cert') === '' ? 'http' : 'https'}://${isAll ? host : name}:${port}`;
}
