// Parsing of replicas' metrics pages: valid series are kept unchanged, invalid parts are left out and counted.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { problemsOf } from '../../kit/exposition.ts';
import { anyPage, HISTOGRAM, samples, see } from '../../kit/merge.ts';

describe('a valid page', () => {
  it('keeps the names, labels and values of its series in both formats', () => {
    const seen = see(`# HELP vllm:requests_total Requests \\\\ "so far"\\nand more.
# TYPE vllm:requests_total counter
vllm:requests_total{model="a\\"b\\\\c\\nd"} 18446744073709551615 1700000000000
# TYPE temp gauge
temp -Inf
temp{core="0",} NaN
bare 1e-3
${HISTOGRAM}# TYPE rpc summary
rpc{quantile="0.5"} 0.2
rpc_sum 3
rpc_count 10
`);
    expect(seen.errors).toEqual({});
    expect(seen.text).toBe(`# HELP vllm:requests_total Requests \\\\ "so far"\\nand more.
# TYPE vllm:requests_total counter
vllm:requests_total{replica="r0",model="a\\"b\\\\c\\nd"} 18446744073709551615
# TYPE temp gauge
temp{replica="r0"} -Inf
temp{replica="r0",core="0"} NaN
# TYPE bare untyped
bare{replica="r0"} 1e-3
# HELP lat_seconds Latency.
# TYPE lat_seconds histogram
lat_seconds_bucket{replica="r0",le="0.1"} 1
lat_seconds_bucket{replica="r0",le="1.0"} 3
lat_seconds_bucket{replica="r0",le="+Inf"} 4
lat_seconds_sum{replica="r0"} 5.5
lat_seconds_count{replica="r0"} 4
# TYPE rpc summary
rpc{replica="r0",quantile="0.5"} 0.2
rpc_sum{replica="r0"} 3
rpc_count{replica="r0"} 10
`);
    expect(seen.open).toContain('# HELP vllm:requests Requests \\\\ \\"so far\\"\\nand more.\n');
    expect(seen.open).toContain('# TYPE vllm:requests counter\nvllm:requests_total{');
    expect(seen.open).toContain('# TYPE bare unknown\n');
    const lines = (text: string) => text.split('\n').filter((line) => !line.startsWith('#'));
    expect(lines(seen.open)).toEqual(lines(seen.text));
  });

  it('can be OpenMetrics, with exemplars and its additional types', () => {
    const seen = see(
      `# TYPE hits counter
# UNIT hits seconds
# HELP hits Hits.
hits_total{a="b"} 5 1.5 # {trace_id="abc"} 0.5 1600000000.1
hits_created{a="b"} 1600000000
# TYPE build info
build_info{version="1"} 1
# TYPE mode stateset
mode{mode="on"} 1
# TYPE spread gaugehistogram
spread_bucket{le="+Inf"} 1
spread_gcount 1
spread_gsum 2
# EOF
`,
      { isOpenMetrics: true },
    );
    expect(seen.errors).toEqual({});
    expect(seen.open).toContain('hits_total{replica="r0",a="b"} 5 # {trace_id="abc"} 0.5 1600000000.1\n');
    expect(seen.open).toContain('# HELP hits Hits.\n# TYPE hits counter\n');
    expect(seen.text).toContain('# TYPE hits_total counter\nhits_total{replica="r0",a="b"} 5\n');
    expect(seen.text).toContain('# TYPE build_info gauge\n');
    expect(seen.text).not.toContain('_created');
    expect(problemsOf(`${seen.open}# EOF\n`, true)).toEqual([]);
    expect(problemsOf(seen.text, false)).toEqual([]);
  });

  it('loses its creation times, in both formats', () => {
    const seen = see(
      '# TYPE hits_total counter\nhits_total 1\n# TYPE hits_created gauge\nhits_created 1.6e9\nother_created 5\n',
    );
    expect(samples(seen)).toEqual(['hits_total 1', 'other_created 5']);
    expect(seen.errors).toEqual({});
  });

  it('has counters without an OpenMetrics name as unknown there, with the same name', () => {
    const seen = see('# TYPE old counter\nold 1\n# TYPE n gauge\nn 1\n# TYPE n_total counter\nn_total 2\n');
    expect(seen.open).toContain('# TYPE old unknown\nold{');
    expect(seen.open).toContain('# TYPE n_total unknown\nn_total{');
    expect(seen.text).toContain('# TYPE n_total counter\n');
  });

  it('keeps a label with the name of an added label as exported_…', () => {
    const seen = see('a{replica="x"} 1\na{replica="y",exported_replica="z"} 2\n');
    expect(samples(seen)).toEqual([
      'a{exported_replica="x"} 1',
      'a{exported_exported_replica="y",exported_replica="z"} 2',
    ]);
  });
});

describe('a valid page in an unusual order or spelling', () => {
  const strict = ({ text, open }: ReturnType<typeof see>) => [
    ...problemsOf(text, false),
    ...problemsOf(`${open}# EOF\n`, true),
  ];

  it('has its buckets sorted, the infinite bound as +Inf, and the count of the last bucket', () => {
    const seen = see(`# TYPE h histogram
h_count{a="1"} 5
h_bucket{a="1",le="+INF"} 4
h_sum{a="2"} 0
h_bucket{a="2",le="Infinity"} 0
h_bucket{a="1",le="10"} 3
h_count{a="2"} 0
h_sum{a="1"} 9
h_bucket{a="1",le="1e0"} 2
h_bucket{a="1",le=".5"} 1
`);
    expect(seen.errors).toEqual({});
    expect(samples(seen)).toEqual([
      'h_bucket{a="1",le=".5"} 1',
      'h_bucket{a="1",le="1e0"} 2',
      'h_bucket{a="1",le="10"} 3',
      'h_bucket{a="1",le="+Inf"} 4',
      'h_sum{a="1"} 9',
      'h_count{a="1"} 4',
      'h_bucket{a="2",le="+Inf"} 0',
      'h_sum{a="2"} 0',
      'h_count{a="2"} 0',
    ]);
    expect(strict(seen)).toEqual([]);
  });

  it('loses a sum that is NaN, which is counted', () => {
    const seen = see(HISTOGRAM.replace('5.5', 'NaN'));
    expect(seen.errors).toEqual({ bad_value: 1 });
    expect(samples(seen)).toEqual([
      'lat_seconds_bucket{le="0.1"} 1',
      'lat_seconds_bucket{le="1.0"} 3',
      'lat_seconds_bucket{le="+Inf"} 4',
      'lat_seconds_count 4',
    ]);
    expect(strict(seen)).toEqual([]);
  });

  it('keeps sums and quantiles below 0 in the text format, but not in OpenMetrics, which forbids them', () => {
    const text = `# TYPE t summary
t{quantile="0.5"} -3
t{quantile="0.9"} 2
t_sum -1
t_count 2
# TYPE h histogram
h_bucket{le="-1"} 1
h_bucket{le="+Inf"} 2
h_sum -5
h_count 2
`;
    const seen = see(text);
    expect(seen.errors).toEqual({});
    expect(samples(seen)).toEqual(text.split('\n').filter((line) => /^[th]/.test(line)));
    expect(seen.open).toContain('t{replica="r0",quantile="0.9"} 2\nt_count{replica="r0"} 2\n');
    expect(seen.open).not.toMatch(/-3|_sum|h_count/);
    expect(strict(seen)).toEqual([]);
  });

  it('has the samples of one summary grouped', () => {
    const seen = see(`# TYPE s summary
s{a="1",quantile="0.5"} 1
s{a="2",quantile="0.5"} 2
s_sum{a="1"} 3
s_sum{a="2"} 4
`);
    expect(samples(seen).map((line) => /a="(\d)"/.exec(line)![1])).toEqual(['1', '1', '2', '2']);
    expect(strict(seen)).toEqual([]);
  });

  it.each(['1.5e3', '-1', '+2.', '.5E-3', '1700000000000'])('can have the timestamp %s', (timestamp) => {
    const seen = see(`a 1 ${timestamp}\n# TYPE b counter\nb_total 1 ${timestamp} # {t="1"} 2 ${timestamp}\n`);
    expect(seen.errors).toEqual({});
    expect(samples(seen)).toEqual(['a 1', 'b_total 1']);
    expect(strict(seen)).toEqual([]);
  });

  it('can have a literal backslash before any character', () => {
    const seen = see('a{b="\\z",c="\\\\n",d="C:\\dir\\\\"} 1\n');
    expect(seen.errors).toEqual({});
    expect(samples(seen)).toEqual(['a{b="\\\\z",c="\\\\n",d="C:\\\\dir\\\\"} 1']);
    expect(strict(seen)).toEqual([]);
  });

  it('can have any spelling of infinity', () => {
    const seen = see('a{b="1"} INF\na{b="2"} -infinity\na{b="3"} +Infinity\na{b="4"} nan\n');
    expect(samples(seen).map((line) => line.split(' ')[1])).toEqual(['+Inf', '-Inf', '+Inf', 'NaN']);
    expect(strict(seen)).toEqual([]);
  });

  it('can have names that would belong to two OpenMetrics families', () => {
    const seen = see(`# TYPE a_total counter
a_total 1 # {t="1"} 1
# TYPE a_created gauge
b_total 1
# TYPE c_total counter
c_total 1
# TYPE c_created_total counter
c_created_total 2
# TYPE h_count_total counter
h_count_total 3
${HISTOGRAM.replaceAll('lat_seconds', 'h')}`);
    expect(strict(seen)).toEqual([]);
    expect(samples(seen)).toContain('c_created_total 2');
    expect(seen.open).toContain('# TYPE h_count_total unknown\n');
  });
});

describe('an invalid part is left out and counted, without the rest of the page', () => {
  const cases: [string, string, string][] = [
    ['a name', '9lives 1', 'bad_line'],
    ['a name of weir', 'weir_build_info{version="9"} 1', 'reserved_name'],
    ['a name of the contract', 'baseten_concurrent_requests 99', 'reserved_name'],
    ['no value', 'a', 'bad_line'],
    ['a word for a value', 'a one', 'bad_value'],
    ['a hexadecimal value', 'a 0x10', 'bad_value'],
    ['a value that no float holds', 'a 1e999', 'bad_value'],
    ['a word for a timestamp', 'a 1 now', 'bad_line'],
    ['text after the end', 'a 1 2 3', 'bad_line'],
    ['a carriage return', 'a 1\r', 'bad_value'],
    ['a null byte', 'a{b="\0"} 1', 'bad_line'],
    ['a label name', 'a{0="x"} 1', 'bad_label'],
    ['a label without quotes', 'a{b=x} 1', 'bad_label'],
    ['an open label', 'a{b="x 1', 'bad_label'],
    ['an escape that ends the line', 'a{b="\\', 'bad_label'],
    ['a backslash before the closing quote', 'a{b="x\\"} 1', 'bad_label'],
    ['a timestamp that is NaN', 'a 1 NaN', 'bad_line'],
    ['an infinite timestamp', 'a 1 +Inf', 'bad_line'],
    ['a timestamp that no float holds', 'a 1 1e999', 'bad_line'],
    ['a label twice', 'a{b="1",b="2"} 1', 'bad_label'],
    ['the label that is the name', 'a{__name__="up"} 1', 'bad_label'],
    ['a name in quotes', '{"a.b",c="d"} 1', 'bad_line'],
    ['a line without end', `a{b="${'x'.repeat(70_000)}"} 1`, 'bad_line'],
    [
      'a series twice, labels in another order',
      'good{a="1",b="2"} 1\ngood{b="2",a="1"} 1',
      'duplicate_series',
    ],
    ['a counter below 0', '# TYPE c counter\nc -1', 'bad_value'],
    ['a counter that is NaN', '# TYPE c counter\nc NaN', 'bad_value'],
    ['a type', '# TYPE c speed', 'bad_metadata'],
    ['a type named like a property of every object', '# TYPE c constructor', 'bad_metadata'],
    ['a second type', '# TYPE c gauge\n# TYPE c counter\nc -1', 'bad_metadata'],
    ['a type after its samples', 'c -1\n# TYPE c counter', 'bad_metadata'],
    ['a quantile', '# TYPE s summary\ns{quantile="2"} 1', 'bad_summary'],
    ['no quantile', '# TYPE s summary\ns 1', 'bad_summary'],
    ['an empty quantile', '# TYPE s summary\ns{quantile=""} 1', 'bad_summary'],
    ['a hexadecimal quantile', '# TYPE s summary\ns{quantile="0x1"} 1', 'bad_summary'],
    ['a count that is not whole', '# TYPE s summary\ns_count 1.5', 'bad_summary'],
    ['a sum that is NaN', '# TYPE s summary\ns_sum NaN', 'bad_value'],
    ['an exemplar', '# TYPE e_total counter\ne_total 1 # {a="b} 1', 'bad_exemplar'],
  ];
  it.each(cases)('%s', (_, lines, error) => {
    const seen = see(`before 1\n${lines}\nafter 2\n`);
    expect(seen.errors).toEqual({ [error]: 1 });
    const kept = samples(seen);
    expect(kept).toContain('before 1');
    expect(kept).toContain('after 2');
    expect(problemsOf(seen.text, false)).toEqual([]);
    expect(problemsOf(`${seen.open}# EOF\n`, true)).toEqual([]);
  });

  const histograms: [string, string][] = [
    ['no infinite bucket', HISTOGRAM.replace(/^.*Inf.*\n/m, '')],
    ['falling buckets', HISTOGRAM.replace('le="1.0"} 3', 'le="1.0"} 0')],
    ['a bucket without a bound', HISTOGRAM.replace('{le="0.1"}', '')],
    ['a bound that is not a number', HISTOGRAM.replace('0.1', 'low')],
    ['a bound twice, spelled in two ways', HISTOGRAM.replace('0.1', '1')],
    ['a negative count', HISTOGRAM.replace('count 4', 'count -4')],
    ['a bucket that is not whole', HISTOGRAM.replace('le="1.0"} 3', 'le="1.0"} 3.5')],
    ['the infinite bound twice, spelled in two ways', HISTOGRAM.replace('le="1.0"} 3', 'le="+INF"} 4')],
    ['a sum without a count', HISTOGRAM.replace(/^.*_count.*\n/m, '')],
  ];
  it.each(histograms)('a histogram with %s, but not the one beside it', (_, broken) => {
    const other = HISTOGRAM.replaceAll('le="', 'a="b",le="')
      .replaceAll(/(_sum|_count) /g, '$1{a="b"} ')
      .replaceAll(/^#.*\n/gm, '');
    const seen = see(broken + other);
    expect(seen.errors).toEqual({ bad_histogram: 1 });
    expect(samples(seen)).toHaveLength(5);
  });

  it('a family with a series name of another family', () => {
    const seen = see(`lat_seconds_bucket 1\n${HISTOGRAM}`);
    expect(seen.errors).toEqual({ name_conflict: 1 });
    expect(samples(seen)).toEqual(['lat_seconds_bucket 1']);
    // The first declaration of a name counts.
    const declared = see(`# TYPE lat_seconds_count gauge\n${HISTOGRAM}`);
    expect(declared.errors).toEqual({ bad_histogram: 1 });
    expect(samples(declared)).toEqual(['lat_seconds_count 4']);
  });

  it('series beyond the limit', () => {
    const seen = see('a 1\nb 1\nc 1\nd 1\n', { maxSeries: 2 });
    expect(samples(seen)).toEqual(['a 1', 'b 1']);
    expect(seen.errors).toEqual({ too_many_series: 2 });
  });

  it('lines with invalid UTF-8', () => {
    const seen = see('a{b="\uFFFD"} 1\nc{b="é"} 1\n', { isLossy: true });
    expect(samples(seen)).toEqual(['c{b="é"} 1']);
    expect(seen.errors).toEqual({ bad_utf8: 1 });
  });

  it('the last line of a text page that is cut off, and all of an OpenMetrics page without its end mark', () => {
    expect(see('a 1\nb 12').errors).toEqual({ truncated: 1 });
    expect(samples(see('a 1\nb 12'))).toEqual(['a 1']);
    expect(see('a 1\nb 12\n', { isOpenMetrics: true }).page).toBe('truncated');
    expect(see('a 1\n# EOF\nb 12\n', { isOpenMetrics: true }).errors).toEqual({ bad_line: 1 });
  });

  it('dropped families, without an error', () => {
    const seen = see(`a 1\nb 1\n${HISTOGRAM}`, {
      isDropped: (name) => name === 'b' || name === 'lat_seconds',
    });
    expect(samples(seen)).toEqual(['a 1']);
    expect(seen.errors).toEqual({});
  });
});

describe('any page', () => {
  const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000) };

  it('gives a valid merged page in both formats', () => {
    fc.assert(
      fc.property(anyPage, fc.boolean(), fc.boolean(), (text, isOpenMetrics, isLossy) => {
        const seen = see(isOpenMetrics ? `${text}# EOF\n` : text, { isOpenMetrics, isLossy });
        if (seen.text !== '') expect(problemsOf(seen.text, false)).toEqual([]);
        expect(problemsOf(`${seen.open}# EOF\n`, true)).toEqual([]);
      }),
      runs,
    );
  });

  it('is unchanged if a merged page is parsed and merged again', () => {
    fc.assert(
      fc.property(anyPage, (text) => {
        const once = see(text);
        const again = see(once.text, { extra: [] });
        expect(again.errors).toEqual({});
        expect(again.text).toBe(once.text);
        // OpenMetrics has no counter without _total, so only the type of such a counter is lost.
        const open = see(`${once.open}# EOF\n`, { extra: [], isOpenMetrics: true });
        expect(open.errors).toEqual({});
        const known = new Set(samples(once));
        expect(samples(open).filter((line) => !known.has(line))).toEqual([]);
        // OpenMetrics does not allow some samples of histograms and summaries.
        if (!/ (?:histogram|summary)$/m.test(once.text)) expect(samples(open)).toEqual(samples(once));
      }),
      runs,
    );
  });
});
