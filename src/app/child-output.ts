// Output of the supervised process: passed through unchanged, and stored as log lines of its replica.
import { OutputRelay, type ChildOutput } from '../control/child-process/child-process.ts';
import { fileSink, type LineSink, type Logger } from '../core/logger.ts';
import type { LineOrigin, Logs } from '../telemetry/logs/logs.ts';

/** Replica that a log line belongs to. */
export type LineOwner = Omit<LineOrigin, 'source'>;

export interface StoredOutput {
  readonly write: ChildOutput;
  /** Later lines belong to this replica. */
  readonly setOwner: (owner: LineOwner) => void;
}

const LINE_END = Buffer.from('\n');

export function storedOutput(owner: LineOwner, logs: Logs, log: Logger): StoredOutput {
  const open = (source: string, sink: LineSink) => {
    const relay = new OutputRelay(sink);
    const stream = logs.openStream({ ...owner, source });
    return {
      write(bytes: Uint8Array | undefined) {
        relay.write(bytes);
        // The stream stays open for the next process, but the last line of this one ends here.
        stream.write(bytes ?? LINE_END);
      },
      setOwner: (other: LineOwner) => stream.setOrigin({ ...other, source }),
    };
  };
  const streams = { stdout: open('stdout', log.sink), stderr: open('stderr', fileSink(2)) };
  return {
    write: (stream, bytes) => streams[stream].write(bytes),
    setOwner(other) {
      streams.stdout.setOwner(other);
      streams.stderr.setOwner(other);
    },
  };
}
