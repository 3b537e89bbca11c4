// Settings of the replicas' own metrics pages, which are merged into weir's.
import { bytes, duration, int, section, text, type Settings } from '../../core/settings.ts';

export const mergeOptions = section({
  path: text({
    default: '',
    pattern: /^(\/[!-~]*)?$/,
    like: 'a path that begins with /, such as /metrics',
    doc: 'Where replicas have a metrics page that is merged into weir’s; empty: nothing is merged.',
  }),
  interval: duration({ default: 10_000, min: 100, doc: 'How often each replica’s page is fetched.' }),
  timeout: duration({ default: 5000, min: 50, doc: 'How long a replica may take to send its page whole.' }),
  max_age: duration({
    default: 30_000,
    min: 100,
    doc: 'A page older than this, because later ones could not be had, is merged no more.',
  }),
  max_bytes: bytes({ default: 10 * 1024 ** 2, min: 1024, doc: 'Largest page, unpacked.' }),
  max_series: int({
    default: 20_000,
    min: 1,
    max: 10_000_000,
    doc: 'Series taken from one replica; further ones are left out.',
  }),
  drop: text({
    default: '',
    pattern: /^([a-zA-Z_:][a-zA-Z0-9_:]*\*?(\s*,\s*|$))*$/,
    like: 'names with commas between them, * at the end of a name for all that begin so',
    doc: 'Families that are left out, such as python_*, process_*.',
  }),
});
export type MergeOptions = Settings<typeof mergeOptions>;
