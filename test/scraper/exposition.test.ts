// Somebody else's metrics page: what is right in it is kept as it is, whatever else stands there.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { problemsOf } from '../kit/exposition.ts';
import { anyPage, HISTOGRAM, samples, see } from '../kit/merge.ts';

describe('a page that is right', () => {
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
    expect(seen.faults).toEqual({});
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

  it('may be OpenMetrics, with exemplars and types of its own', () => {
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
    expect(seen.faults).toEqual({});
    expect(seen.open).toContain('hits_total{replica="r0",a="b"} 5 # {trace_id="abc"} 0.5 1600000000.1\n');
    expect(seen.open).toContain('# HELP hits Hits.\n# TYPE hits counter\n');
    expect(seen.text).toContain('# TYPE hits_total counter\nhits_total{replica="r0",a="b"} 5\n');
    expect(seen.text).toContain('# TYPE build_info gauge\n');
    expect(seen.text).not.toContain('_created');
    expect(problemsOf(`${seen.open}# EOF\n`, true)).toEqual([]);
    expect(problemsOf(seen.text, false)).toEqual([]);
  });

  it('has creation times left out, as a text page of Python has them too', () => {
    const seen = see(
      '# TYPE hits_total counter\nhits_total 1\n# TYPE hits_created gauge\nhits_created 1.6e9\nother_created 5\n',
    );
    expect(samples(seen)).toEqual(['hits_total 1', 'other_created 5']);
    expect(seen.faults).toEqual({});
  });

  it('tells counters that OpenMetrics cannot name as unknown there, under the same name', () => {
    const seen = see('# TYPE old counter\nold 1\n# TYPE n gauge\nn 1\n# TYPE n_total counter\nn_total 2\n');
    expect(seen.open).toContain('# TYPE old unknown\nold{');
    expect(seen.open).toContain('# TYPE n_total unknown\nn_total{');
    expect(seen.text).toContain('# TYPE n_total counter\n');
  });

  it('keeps its own label under another name where it has one of ours', () => {
    const seen = see('a{replica="x"} 1\na{replica="y",exported_replica="z"} 2\n');
    expect(samples(seen)).toEqual([
      'a{exported_replica="x"} 1',
      'a{exported_exported_replica="y",exported_replica="z"} 2',
    ]);
  });
});

describe('what is wrong is left out and counted, and nothing else', () => {
  const cases: [string, string, string][] = [
    ['a name', '9lives 1', 'bad_line'],
    ['a name of weir’s', 'weir_build_info{version="9"} 1', 'reserved_name'],
    ['a name of the contract’s', 'baseten_concurrent_requests 99', 'reserved_name'],
    ['no value', 'a', 'bad_line'],
    ['a word for a value', 'a one', 'bad_value'],
    ['a hexadecimal value', 'a 0x10', 'bad_value'],
    ['a value that no float holds', 'a 1e999', 'bad_value'],
    ['a word for a timestamp', 'a 1 now', 'bad_line'],
    ['something behind the end', 'a 1 2 3', 'bad_line'],
    ['a carriage return', 'a 1\r', 'bad_value'],
    ['a null byte', 'a{b="\0"} 1', 'bad_line'],
    ['a label name', 'a{0="x"} 1', 'bad_label'],
    ['a label without quotes', 'a{b=x} 1', 'bad_label'],
    ['an open label', 'a{b="x 1', 'bad_label'],
    ['an escape', 'a{b="\\x"} 1', 'bad_label'],
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
    ['a type by another name of every object', '# TYPE c constructor', 'bad_metadata'],
    ['a second type', '# TYPE c gauge\n# TYPE c counter\nc -1', 'bad_metadata'],
    ['a type behind its samples', 'c -1\n# TYPE c counter', 'bad_metadata'],
    ['a quantile', '# TYPE s summary\ns{quantile="2"} 1', 'bad_summary'],
    ['no quantile', '# TYPE s summary\ns 1', 'bad_summary'],
    ['an exemplar', '# TYPE e_total counter\ne_total 1 # {a="b} 1', 'bad_exemplar'],
  ];
  it.each(cases)('%s', (_, lines, why) => {
    const seen = see(`before 1\n${lines}\nafter 2\n`);
    expect(seen.faults).toEqual({ [why]: 1 });
    const kept = samples(seen);
    expect(kept).toContain('before 1');
    expect(kept).toContain('after 2');
    expect(problemsOf(seen.text, false)).toEqual([]);
    expect(problemsOf(`${seen.open}# EOF\n`, true)).toEqual([]);
  });

  const histograms: [string, string][] = [
    ['no last bucket', HISTOGRAM.replace(/^.*Inf.*\n/m, '')],
    ['falling buckets', HISTOGRAM.replace('le="1.0"} 3', 'le="1.0"} 0')],
    ['a bucket without a bound', HISTOGRAM.replace('{le="0.1"}', '')],
    ['a bound that is no number', HISTOGRAM.replace('0.1', 'low')],
    ['a bound twice, spelled in two ways', HISTOGRAM.replace('0.1', '1')],
    ['a negative count', HISTOGRAM.replace('count 4', 'count -4')],
    ['a sum without a count', HISTOGRAM.replace(/^.*_count.*\n/m, '')],
  ];
  it.each(histograms)('a histogram with %s, and not its neighbour', (_, broken) => {
    const neighbour = HISTOGRAM.replaceAll('le="', 'a="b",le="')
      .replaceAll(/(_sum|_count) /g, '$1{a="b"} ')
      .replaceAll(/^#.*\n/gm, '');
    const seen = see(broken + neighbour);
    expect(seen.faults).toEqual({ bad_histogram: 1 });
    expect(samples(seen)).toHaveLength(5);
  });

  it('a family whose series have the names of another’s', () => {
    const seen = see(`lat_seconds_bucket 1\n${HISTOGRAM}`);
    expect(seen.faults).toEqual({ name_conflict: 1 });
    expect(samples(seen)).toEqual(['lat_seconds_bucket 1']);
    // What a name was declared to be first is what it is.
    const declared = see(`# TYPE lat_seconds_count gauge\n${HISTOGRAM}`);
    expect(declared.faults).toEqual({ bad_histogram: 1 });
    expect(samples(declared)).toEqual(['lat_seconds_count 4']);
  });

  it('series beyond the limit', () => {
    const seen = see('a 1\nb 1\nc 1\nd 1\n', { maxSeries: 2 });
    expect(samples(seen)).toEqual(['a 1', 'b 1']);
    expect(seen.faults).toEqual({ too_many_series: 2 });
  });

  it('lines that were no UTF-8', () => {
    const seen = see('a{b="\uFFFD"} 1\nc{b="é"} 1\n', { isLossy: true });
    expect(samples(seen)).toEqual(['c{b="é"} 1']);
    expect(seen.faults).toEqual({ bad_utf8: 1 });
  });

  it('the rest of a text page that breaks off, and an OpenMetrics page without its end as a whole', () => {
    expect(see('a 1\nb 12').faults).toEqual({ truncated: 1 });
    expect(samples(see('a 1\nb 12'))).toEqual(['a 1']);
    expect(see('a 1\nb 12\n', { isOpenMetrics: true }).page).toBe('truncated');
    expect(see('a 1\n# EOF\nb 12\n', { isOpenMetrics: true }).faults).toEqual({ bad_line: 1 });
  });

  it('families that nobody wants, which is no fault', () => {
    const seen = see(`a 1\nb 1\n${HISTOGRAM}`, {
      isDropped: (name) => name === 'b' || name === 'lat_seconds',
    });
    expect(samples(seen)).toEqual(['a 1']);
    expect(seen.faults).toEqual({});
  });
});

describe('whatever a page holds', () => {
  const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000) };

  it('the merged page is valid in both formats', () => {
    fc.assert(
      fc.property(anyPage, fc.boolean(), fc.boolean(), (text, isOpenMetrics, isLossy) => {
        const seen = see(isOpenMetrics ? `${text}# EOF\n` : text, { isOpenMetrics, isLossy });
        if (seen.text !== '') expect(problemsOf(seen.text, false)).toEqual([]);
        expect(problemsOf(`${seen.open}# EOF\n`, true)).toEqual([]);
      }),
      runs,
    );
  });

  it('a page of ours, read as somebody else’s, is the same page with a label more', () => {
    fc.assert(
      fc.property(anyPage, (text) => {
        const once = see(text);
        const again = see(once.text, { extra: [] });
        expect(again.faults).toEqual({});
        expect(again.text).toBe(once.text);
        // OpenMetrics knows no counter without _total: its type is lost there, and nothing else.
        const open = see(`${once.open}# EOF\n`, { extra: [], isOpenMetrics: true });
        expect(open.faults).toEqual({});
        expect(samples(open)).toEqual(samples(once));
      }),
      runs,
    );
  });
});
