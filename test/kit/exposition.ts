// Validates metrics pages strictly, as text 0.0.4 or as OpenMetrics 1.0.
// Written from the specifications, independent of collectors/replica-metrics, so that an error in one is found.
import { distributionProblems, type Sample } from './distributions.ts';

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const LABELS = `(?:\\{((?:${LABEL}(?:,${LABEL})*)?)\\})?`;
const NUMBER = '[+-]?(?:\\d+\\.?\\d*(?:[eE][+-]?\\d+)?|\\.\\d+(?:[eE][+-]?\\d+)?|Inf|NaN)';
const SAMPLE = new RegExp(`^(${NAME})${LABELS} (${NUMBER})( # \\{.*\\} ${NUMBER}(?: ${NUMBER})?)?$`);
const META = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`);

const TEXT_TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const OPEN_TYPES = ['counter', 'gauge', 'histogram', 'summary', 'unknown'];

/** Names that an OpenMetrics family reserves. No other family may have one of them. */
const claims = (type: string): string[] =>
  type === 'histogram'
    ? ['', '_bucket', '_count', '_sum', '_created']
    : type === 'summary'
      ? ['', '_count', '_sum', '_created']
      : type === 'counter'
        ? ['', '_total', '_created']
        : [''];

const suffixes = (type: string, isOpen: boolean): string[] =>
  type === 'histogram'
    ? ['_bucket', '_count', '_sum']
    : type === 'summary'
      ? ['', '_count', '_sum']
      : type === 'counter' && isOpen
        ? ['_total']
        : [''];

/** All problems of a page. */
export function problemsOf(page: string, isOpen: boolean): string[] {
  const problems: string[] = [];
  if (!page.endsWith('\n')) problems.push('does not end with a newline');
  const lines = page.split('\n').slice(0, -1);
  if (isOpen && lines.pop() !== '# EOF') problems.push('does not end with # EOF');
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const series = new Set<string>();
  const samples = new Map<string, Sample[]>();
  const claimed = new Set<string>();
  let family = '';
  lines.forEach((line, i) => {
    const wrong = (what: string) => problems.push(`line ${i + 1}: ${what}: ${line.slice(0, 200)}`);
    if (line === '' && !isOpen) return;
    if (line.startsWith('#')) {
      const [, keyword, name = '', rest = ''] = META.exec(line) ?? [];
      if (keyword === undefined) return void wrong('malformed metadata');
      if (keyword === 'HELP' && helps.has(name)) wrong('a second HELP');
      if (keyword === 'HELP') helps.add(name);
      if (keyword === 'HELP' && name !== family && types.has(name))
        wrong('HELP after the samples of the family began');
      if (keyword === 'HELP') {
        family = name;
        if (!/^(?:[^\\]|\\[\\n"])*$/.test(rest)) wrong('an invalid escape');
        return;
      }
      if (types.has(name)) wrong('a second TYPE');
      if (!(isOpen ? OPEN_TYPES : TEXT_TYPES).includes(rest)) wrong('an unknown type');
      types.set(name, rest);
      family = name;
      if (isOpen)
        for (const claim of claims(rest)) {
          if (claimed.has(name + claim)) wrong(`the name ${name + claim} belongs to two families`);
          claimed.add(name + claim);
        }
      return;
    }
    const match = SAMPLE.exec(line);
    if (!match) return void wrong('a malformed sample');
    const [, name = '', labels = '', value = '', exemplar] = match;
    const type = types.get(family);
    if (type === undefined) return void wrong('no TYPE before it');
    if (!suffixes(type, isOpen).some((suffix) => family + suffix === name))
      wrong(`a sample that does not belong to ${family}`);
    const pairs = labels.match(new RegExp(LABEL, 'g')) ?? [];
    const names = pairs.map((pair) => pair.slice(0, pair.indexOf('=')));
    if (new Set(names).size !== names.length) wrong('a duplicate label');
    const key = `${name}{${[...pairs].sort().join(',')}}`;
    if (series.has(key)) wrong('a duplicate series');
    series.add(key);
    if (type === 'counter' && !(Number(value) >= 0 || value.endsWith('Inf'))) wrong('a counter below 0');
    if (exemplar !== undefined && !isOpen) wrong('an exemplar that is not allowed');
    if (exemplar !== undefined && !/_(?:total|bucket)$/.test(name)) wrong('an exemplar that is not allowed');
    if (exemplar !== undefined && type !== 'counter' && type !== 'histogram')
      wrong('an exemplar that is not allowed');
    const known = samples.get(family);
    const sample = {
      suffix: name.slice(family.length),
      labels: pairs,
      value: Number(value.replace('Inf', 'Infinity')),
    };
    if (known) known.push(sample);
    else samples.set(family, [sample]);
  });
  for (const [name, ofIt] of samples) {
    const type = types.get(name);
    if (type === 'histogram' || type === 'summary')
      problems.push(...distributionProblems(type, ofIt, isOpen).map((what) => `${name}: ${what}`));
  }
  return problems;
}
