// Which requests are sampled, in any data thread.
import type { Observer } from '../../core/exchange/exchange.ts';
import type { TraceOptions } from './options.ts';
import { hasFailed } from './span-status.ts';
import { ratioSampler, type RatioSampler } from './sampling.ts';

export class RequestSampling {
  readonly sampler: RatioSampler;
  readonly #samplesErrors: boolean;

  constructor({ sample_ratio, parent_based, always_on_error }: TraceOptions) {
    this.sampler = ratioSampler(sample_ratio, parent_based);
    this.#samplesErrors = always_on_error;
  }

  /**
   * Samples failed requests if `always_on_error` is set. Must be registered before the observer that stores records.
   */
  get observer(): Observer {
    const samplesErrors = this.#samplesErrors;
    return {
      closed(exchange) {
        if (!samplesErrors || exchange.isSampled) return;
        const { protocol, status, llm } = exchange;
        const isFailedStream = llm !== undefined && llm.isStream && llm.error !== undefined;
        exchange.isSampled = hasFailed({ protocol, status, cause: exchange.cause!, isFailedStream });
      },
    };
  }
}
