// Values of a configuration as text, with their origins.
// Invariant: a secret is never shown.
import { settings, type Config } from './schema.ts';
import type { ExplainedSetting } from '../core/explained-setting.ts';
import type { GivenValue, SettingPath } from './given-value.ts';

/** `pool.probe_interval`, `deployments[0].replicas[1].url`. */
export const keyOf = (path: SettingPath): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');

/** Every setting with its value as text, its origin and its description. Secrets are `***`. */
export function explain(config: Config, given: readonly GivenValue[]): ExplainedSetting[] {
  return settings.flatMap(({ path, info }) =>
    valuesAt(config, path, []).map(({ at, value }) => {
      const text = info.show(value);
      const key = keyOf(at);
      return {
        key,
        value: info.secret && text !== '' ? '***' : text,
        origin: given.findLast((g) => keyOf(g.path) === key)?.origin ?? 'default',
        does: info.doc,
        // The reference escapes them for its tables.
        type: info.kind.replaceAll('\\|', '|'),
        default: info.defaultText ?? null,
        is_default: text === info.defaultText,
        takes_restart: takesRestart(key),
      };
    }),
  );
}

const takesRestart = (key: string): boolean => !key.startsWith('deployments');

/** Keys of settings that differ and take effect only after a restart: all except those of deployments. */
export function needRestart(running: Config, wanted: Config): string[] {
  // Not the values as `explain` shows them, since two secrets look the same there.
  const values = (config: Config) =>
    settings.flatMap(({ path, info }) =>
      valuesAt(config, path, []).map(({ at, value }) => ({ key: keyOf(at), text: info.show(value) })),
    );
  const before = new Map(values(running).map(({ key, text }) => [key, text]));
  return values(wanted)
    .filter(({ key, text }) => takesRestart(key) && before.get(key) !== text)
    .map(({ key }) => key);
}

/** All values at a path, which may have `[]` for the items of a list. */
function valuesAt(
  container: unknown,
  path: readonly string[],
  at: (string | number)[],
): { at: SettingPath; value: unknown }[] {
  const [head, ...rest] = path;
  if (head === undefined) return [{ at, value: container }];
  if (head === '[]') return (container as unknown[]).flatMap((item, i) => valuesAt(item, rest, [...at, i]));
  return valuesAt((container as Record<string, unknown>)[head], rest, [...at, head]);
}
