// The forms of the texts that came last: servers repeat the same members in each response and each event. Hot path.
// Invariant: memory has a bound; texts that do not repeat cost at most one form for every MAX_PAUSE of them.
import { buildForm } from './form-builder.ts';
import type { JsonForm } from './json-form.ts';
import type { SkimNode } from './skim-node.ts';

/** Forms that are kept. The one that was used last is tried first. */
const MAX_FORMS = 4;
/** Texts without a known form between two that a form is made of, at most. */
const MAX_PAUSE = 64;

export class KnownForms {
  /** Index behind the text that was matched last. */
  end = 0;
  readonly #root: SkimNode;
  readonly #forms: JsonForm[] = [];
  /** Texts that no form is made of before the next one, and how many there were before the last one. */
  #pause = 0;
  #lastPause = 0;

  /** `root`: describes the wanted values. */
  constructor(root: SkimNode) {
    this.#root = root;
  }

  /**
   * Matches the text that begins at bytes[from]. Returns its form, and sets `end`; undefined if it is not known. `isLine`: it
   * must end before a line end.
   */
  match(bytes: Buffer, from: number, to: number, isLine: boolean): JsonForm | undefined {
    const forms = this.#forms;
    for (let n = 0; n < forms.length; n++) {
      const form = forms[n]!;
      const end = form.match(bytes, from, to, isLine);
      if (end === -1) continue;
      if (n > 0) {
        forms[n] = forms[n - 1]!;
        forms[n - 1] = form;
      }
      this.#pause = this.#lastPause = 0;
      this.end = end;
      return form;
    }
    return undefined;
  }

  /** A whole text had no known form. */
  learn(bytes: Buffer, from: number, to: number): void {
    if (this.#pause > 0) {
      this.#pause--;
      return;
    }
    this.#pause = this.#lastPause = Math.min(MAX_PAUSE, 2 * this.#lastPause + 1);
    const form = buildForm(bytes, from, to, this.#root);
    if (form === undefined) return;
    if (this.#forms.length === MAX_FORMS) this.#forms.pop();
    this.#forms.unshift(form);
  }
}
