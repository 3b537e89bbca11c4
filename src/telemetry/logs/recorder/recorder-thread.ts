// Entry of the recorder thread.
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { LogOutput } from '../../../core/log-output.ts';
import { startRecorder } from './recorder.ts';
import { RecorderFigures } from './recorder-figures.ts';

export interface RecorderData {
  /** Ring of the main thread. */
  readonly ring: SharedArrayBuffer;
  /** Counts of all inputs. */
  readonly inputs: SharedArrayBuffer;
  readonly inputPort: MessagePort;
  readonly figures: SharedArrayBuffer;
  /** File descriptor for the lines; -1: none are written. */
  readonly fd: number;
  readonly isText: boolean;
  /** Number of the thread: 0 for the first one. */
  readonly thread: number;
}

const { ring, inputs, inputPort, figures, fd, isText, thread } = workerData as RecorderData;
startRecorder(parentPort!, {
  ring,
  inputs,
  inputPort,
  figures: new RecorderFigures(figures),
  output: fd === -1 ? undefined : new LogOutput(fd),
  isText,
  thread,
});
