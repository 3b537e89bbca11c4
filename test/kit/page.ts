// A metrics page for tests: finds series by name and labels, in any order of labels.

export class Page {
  readonly text: string;
  readonly #series = new Map<string, number>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match) this.#series.set(keyOf(match[1]!, match[2] ?? ''), Number(match[3]));
    }
  }

  /** The value of `name{a="b"}`, with exactly these labels and the common labels of the test deployment. */
  value(series: string): number | undefined {
    const match = /^([\w:]+)(?:\{(.*)\})?$/.exec(series)!;
    const exact = this.#series.get(keyOf(match[1]!, match[2] ?? ''));
    return exact ?? this.#series.get(keyOf(match[1]!, [match[2] ?? '', LOCAL].filter(Boolean).join(',')));
  }

  /** The sum of all series of a name that have these labels. */
  sum(name: string, ...labels: string[]): number {
    let sum = 0;
    for (const [key, value] of this.#series)
      if (key.startsWith(`${name}{`) && labels.every((label) => key.includes(label))) sum += value;
    return sum;
  }

  get names(): string[] {
    return [...this.text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!);
  }
}

/** The common labels of a weir without a configuration file. */
const LOCAL =
  'model_id="local",model_name="local",deployment_id="local",environment="production",rollout_phase="stable"';

const keyOf = (name: string, labels: string): string =>
  `${name}{${(labels.match(/\w+="(?:[^"\\]|\\.)*"/g) ?? []).sort().join(',')}}`;
