// Settings as YAML: what `weir.yaml` would have to say for the same values.
// Invariant: each value is a text in quotes unless it is a plain word or number, so that YAML reads it as it is.
import type { SettingAnswer } from '../../../src/control/admin/answers/settings-answers.ts';

interface Node {
  readonly children: Map<string, Node>;
  value: string | undefined;
}

const node = (): Node => ({ children: new Map(), value: undefined });

const PLAIN = /^(?:[A-Za-z_][\w.-]*|\d+(?:\.\d+)?(?:[a-zA-Z]+)?)$/;
/** Words that YAML reads as something else than a text (YAML 1.1 and 1.2). */
const SPECIAL = /^(?:y|n|yes|no|on|off|null|~)$/i;

const scalar = (text: string): string =>
  PLAIN.test(text) && !SPECIAL.test(text) ? text : `'${text.replaceAll("'", "''")}'`;

function lines({ children, value }: Node, indent: string): string[] {
  if (value !== undefined) return [scalar(value)];
  const isList = [...children.keys()].every((name) => /^\[\d+\]$/.test(name));
  return [...children].flatMap(([name, child]) => {
    const below = lines(child, `${indent}  `);
    if (isList) {
      const [first, ...rest] = below;
      return [`- ${first!.trimStart()}`, ...rest.map((line) => `  ${line}`)];
    }
    return child.value === undefined
      ? [`${name}:`, ...below.map((line) => `  ${line}`)]
      : [`${name}: ${below[0]!}`];
  });
}

/** Secrets stay `***`. */
export function yamlOf(settings: readonly Pick<SettingAnswer, 'key' | 'value'>[]): string {
  const root = node();
  for (const { key, value } of settings) {
    let at = root;
    for (const name of key.split('.').flatMap((part) => part.split(/(?=\[)/))) {
      const next = at.children.get(name) ?? node();
      at.children.set(name, next);
      at = next;
    }
    at.value = value;
  }
  return root.children.size === 0 ? '' : `${lines(root, '').join('\n')}\n`;
}
