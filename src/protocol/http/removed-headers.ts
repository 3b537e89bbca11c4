// Headers of clients that replicas do not get, by the settings. Hot path.
// Invariant: a name counts in any case, and with `_` in place of `-`, since CGI and WSGI servers give both the same name.

export class RemovedHeaders {
  readonly #names: ReadonlySet<string>;
  /** 1 at the length of each name. */
  readonly #lengths = new Uint8Array(256);

  /** `names`: in any case. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map(plain));
    for (const name of this.#names) this.#lengths[name.length] = 1;
  }

  has(name: string): boolean {
    return this.#lengths[name.length] === 1 && this.#names.has(plain(name));
  }

  /** Header lines without those of these names. `lines`: each with its line end. */
  from(lines: string): string {
    let kept = '';
    let keptTo = 0;
    let at = 0;
    while (at < lines.length) {
      // One character, since V8 searches for more of them far slower.
      const colon = lines.indexOf(':', at);
      const end = lines.indexOf('\n', colon) + 1;
      if (this.#lengths[colon - at] === 1 && this.#names.has(plain(lines.slice(at, colon)))) {
        kept += lines.slice(keptTo, at);
        keptTo = end;
      }
      at = end;
    }
    return keptTo === 0 ? lines : kept + lines.slice(keptTo);
  }
}

const plain = (name: string): string => name.toLowerCase().replaceAll('_', '-');
