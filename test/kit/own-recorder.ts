// A recorder in the thread of the test, with a ring of any size, so that nothing is handled before `drain`.
// Invariant: the store is in a folder of its own, which `removeFolders` removes.
import { MessageChannel } from 'node:worker_threads';
import { ringMemory, RingWriter } from '../../src/core/ring.ts';
import { FrameWriter } from '../../src/telemetry/logs/recorder/frame-writer.ts';
import { Recorder } from '../../src/telemetry/logs/recorder/recorder.ts';
import { inputFiguresMemory } from '../../src/telemetry/logs/recorder/input-figures.ts';
import { figuresMemory, RecorderFigures } from '../../src/telemetry/logs/recorder/recorder-figures.ts';
import type { ToRecorder } from '../../src/telemetry/logs/recorder/recorder-messages.ts';
import { folder } from './folder.ts';
import { until } from './until.ts';

export class OwnRecorder {
  readonly data = folder();
  readonly figures = new RecorderFigures(figuresMemory());
  readonly ring: RingWriter;
  readonly frames: FrameWriter;
  readonly #recorder: Recorder;
  readonly #channel = new MessageChannel();
  #isClosed = false;

  /** `bytes`: size of the ring, a power of two. */
  constructor(bytes: number) {
    const ring = ringMemory(bytes);
    this.ring = new RingWriter(ring);
    this.frames = new FrameWriter(this.ring);
    this.#recorder = new Recorder(this.#channel.port2, {
      ring,
      inputs: inputFiguresMemory(1),
      figures: this.figures,
      output: undefined,
      isText: false,
      thread: 0,
    });
    this.#channel.port1.on('message', ({ isClosed }: { isClosed?: boolean }) => {
      if (isClosed === true) this.#isClosed = true;
    });
    const owner = { deployment: '', environment: '', replica: '' };
    this.post({
      kind: 'openStore',
      weight: 0,
      store: {
        writer: { folder: `${this.data}/logs`, maxBytes: 2 ** 30, retentionMs: 86_400_000 },
        ingest: {
          own: { pod: 'pod1-0a1b2c3d', modelId: 'mdl1' },
          retentionMs: 86_400_000,
          maxLineBytes: 65_536,
          maxBodyBytes: 65_536,
          redactsCommonSecrets: true,
          files: [],
          fileOrigin: owner,
          redactPatterns: [],
        },
      },
    });
    this.drain();
  }

  /** Posts a message, and marks its place in the ring. */
  post(message: ToRecorder): void {
    this.#channel.port1.postMessage(message);
    this.frames.mark();
  }

  drain(): void {
    this.#recorder.drain();
  }

  /** Stores everything, and closes the store. */
  async close(): Promise<void> {
    this.drain();
    this.post({ kind: 'closeStore', weight: 0 });
    this.drain();
    await until('the store is closed', () => this.#isClosed);
    this.#channel.port1.close();
  }
}
