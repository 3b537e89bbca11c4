// The destinations of the settings (section `export`).
// Invariant: they are validated like destinations of the admin API.
import { WeirError } from '../../core/errors.ts';
import { parseDestination, type Destination } from './destination.ts';
import type { ExportOptions } from './options.ts';

/** Throws a WeirError if the settings contradict each other. */
export function configuredDestinations(options: ExportOptions): Destination[] {
  const { encoding, compression, min_level, service_name } = options;
  const common = { encoding, compression, service_name };
  const { endpoint, header_name, header_value, traces_endpoint, traces_headers } = options;
  const destinations: Destination[] = [];
  const add = (id: string, input: Record<string, unknown>) => {
    const parsed = parseDestination({ ...common, ...input });
    if ('problems' in parsed) throw new WeirError('bad_settings', `export: ${parsed.problems.join('; ')}`);
    destinations.push({ ...parsed.settings, id });
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
