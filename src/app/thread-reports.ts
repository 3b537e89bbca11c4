// What a data thread tells the main thread of its requests several times a second: the load of deployments, and the
// figures of the overview. Metrics are not told, since the main thread reads them where they are counted.
// Invariant: what has happened is reported once, at most REPORT_MS later; there are no more messages in that time.
import type { Overview } from '../control/admin/admin.ts';
import { OverviewTally, type OverviewReport } from '../control/admin/overview/overview-tally.ts';
import { LoadTally, type Autoscaler, type LoadChange } from '../control/scaling/autoscaler.ts';
import type { Exchange, Observer } from '../core/exchange/exchange.ts';

const REPORT_MS = 100;

/** What has happened since the report before. It can be sent as a message. */
export interface RequestReport {
  readonly load: readonly LoadChange[] | undefined;
  readonly overview: OverviewReport | undefined;
}

/** In the data thread. Observes every exchange, after those who set the cost. */
export class RequestReporter implements Observer {
  readonly #load = new LoadTally(() => this.#sendSoon());
  readonly #overview = new OverviewTally();
  readonly #send: (report: RequestReport) => void;
  #timer: NodeJS.Timeout | undefined;
  #isUrgent = false;
  #sentMs = 0;

  constructor(send: (report: RequestReport) => void) {
    this.#send = send;
  }

  routed(exchange: Exchange): void {
    this.#load.routed(exchange);
    this.#sendLater();
  }

  closed(exchange: Exchange): void {
    this.#load.closed(exchange);
    this.#overview.closed(exchange);
    this.#sendLater();
  }

  /** Sends what is not sent yet. To be called before the thread ends, too. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isUrgent = false;
    const report = { load: this.#load.take(), overview: this.#overview.take() };
    if (report.load === undefined && report.overview === undefined) return;
    this.#sentMs = performance.now();
    this.#send(report);
  }

  #sendLater(): void {
    this.#timer ??= setTimeout(() => this.flush(), REPORT_MS).unref();
  }

  /** At once, but after what the caller is doing; later if the report before was just sent. */
  #sendSoon(): void {
    if (this.#isUrgent || performance.now() - this.#sentMs < REPORT_MS) return;
    this.#isUrgent = true;
    queueMicrotask(() => this.flush());
  }
}

/** In the main thread. `thread`: number of the thread that sent the report. */
export function takeReport(
  { autoscaler, overview }: { readonly autoscaler: Autoscaler; readonly overview: Overview },
  thread: number,
  report: RequestReport,
): void {
  if (report.load !== undefined) autoscaler.report(thread, report.load);
  if (report.overview !== undefined) overview.report(report.overview);
}
