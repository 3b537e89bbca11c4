// Starts weir with one of its two implementations of HTTP/2 (proxy.http2_library).
import { startWeir, type StartOptions, type Weir } from './weir.ts';

export type Http2Library = 'weir' | 'node';

/** A `startWeir` with this implementation. */
export const startWith =
  (library: Http2Library) =>
  (args: string[], options: StartOptions = {}): Promise<Weir> =>
    startWeir([...args, `--proxy-http2-library=${library}`], options);
