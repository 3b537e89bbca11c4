// What a data thread other than the main thread records: requests and its lines of weir's own log.
import type { LineSink } from '../../core/logger.ts';
import {
  CapturePolicy,
  InputFigures,
  RecorderInput,
  RequestRecorder,
  type RecorderConnection,
} from '../../telemetry/logs/recording.ts';
import { RequestSampling } from '../../telemetry/tracing/request-sampling.ts';
import { RequestRecords } from '../request-records.ts';
import type { FromDataThread } from './from-thread.ts';
import type { ThreadStart } from './thread-start.ts';

export class ThreadRecorder {
  /** Where the thread's lines of weir's own log go. */
  readonly sink: LineSink;
  readonly requests: RequestRecords;
  readonly #input: RecorderInput | undefined;
  readonly #store: RequestRecorder | undefined;

  constructor({ config, recorder, namedRequests }: ThreadStart, send: (message: FromDataThread) => void) {
    const figures = recorder && new InputFigures(recorder.figures, recorder.input);
    const input = recorder && new RecorderInput(recorder.ring, figures!, recorder.hasLines);
    if (recorder) input!.connect(recorder.port, recorder.recorderThread);
    this.#input = input;
    const store = input && new RequestRecorder(input);
    this.#store = store;
    // Without an access log, the main thread writes all lines.
    const hasLines = input !== undefined && config.log.access;
    this.sink = {
      write: (line) => (hasLines ? input.line(line) : send({ kind: 'line', line })),
      flush: () => undefined,
      dropped: () => 0,
    };
    const capture = new CapturePolicy(config.logs, figures);
    const sampling = new RequestSampling(config.trace);
    this.requests = new RequestRecords(config, capture, sampling, namedRequests, {
      ended: (exchange, deployment) => store?.ended(exchange, deployment, exchange.bodyCapture?.take()),
      logged: (exchange, deployment) => input?.request(exchange, deployment, false),
      routed: (exchange, deployment) => store?.routed(exchange, deployment),
    });
  }

  /** There is a new recorder thread. */
  reconnect({ port, recorderThread }: RecorderConnection): void {
    this.#input?.connect(port, recorderThread);
  }

  /** Sends what is not sent yet. */
  close(): void {
    this.#store?.close();
  }
}
