// The destinations that the settings name, which need no folder to be known.
// Must stay true: they are checked like those that come through the admin API.
import { WeirError } from '../../core/errors.ts';
import { readDestination, type Destination } from './destination.ts';
import type { ExportOptions } from './options.ts';

/** Throws a Fault with what is wrong with them, which no setting could say alone. */
export function configured(options: ExportOptions): Destination[] {
  const { encoding, compression, min_level, service_name } = options;
  const common = { encoding, compression, service_name };
  const { endpoint, header_name, header_value, traces_endpoint, traces_headers } = options;
  const destinations: Destination[] = [];
  const add = (id: string, input: Record<string, unknown>) => {
    const read = readDestination({ ...common, ...input });
    if ('problems' in read) throw new WeirError('bad_settings', `export: ${read.problems.join('; ')}`);
    destinations.push({ ...read.said, id });
  };
  if (endpoint !== '')
    add('settings-logs', {
      endpoint_url: endpoint,
      min_level,
      ...(header_value !== '' && { header_name, header_value }),
    });
  if (traces_endpoint !== '')
    add('settings-traces', {
      signal: 'traces',
      endpoint_url: traces_endpoint,
      headers: Object.fromEntries(
        traces_headers.map((pair) => [
          pair.slice(0, pair.indexOf('=')).trim(),
          pair.slice(pair.indexOf('=') + 1).trim(),
        ]),
      ),
    });
  return destinations;
}
