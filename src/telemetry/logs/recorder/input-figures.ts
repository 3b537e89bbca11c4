// Counts of one input of the recorder in shared memory: what a data thread has sent, and what the recorder has done with
// it. All inputs are in one memory, so that each thread can read the sums.
// Invariant: each count has one writer: the input's thread for what it sends, the recorder for what it takes. Counts only
// grow, but `held`.

const NAMES = [
  // Written by the input's thread.
  /** Requests in the ring, and those of them that are to be stored. */
  'sentRequests',
  'sentForStore',
  /** Requests that were not stored: the ring was full, or a recorder thread had ended before it stored them. */
  'droppedRequests',
  'lostRequests',
  /** Lines that did not fit into the ring. */
  'droppedLines',
  /** Requests whose bodies were not copied, and those whose copied bodies did not fit. */
  'bodiesSkipped',
  'bodiesDropped',
  /** Weight of the messages. */
  'sentWeight',
  /** Bytes of copied bodies of open exchanges. */
  'held',
  /** Number of the recorder thread that the frames are for. */
  'recorderThread',
  // Written by the recorder, and by the input's thread while no recorder takes its frames.
  /** Requests that were taken from the ring, and those of them to be stored that are stored or lost. */
  'takenRequests',
  'settledRequests',
  /** Weight of the messages that are done with. */
  'doneWeight',
] as const;

type InputFigure = (typeof NAMES)[number];

const PLACES = Object.fromEntries(NAMES.map((name, i) => [name, i])) as Record<InputFigure, number>;

/** Makes the memory for the counts of so many inputs. */
export const inputFiguresMemory = (inputs: number): SharedArrayBuffer =>
  new SharedArrayBuffer(8 * NAMES.length * inputs);

export class InputFigures {
  readonly #all: Float64Array;
  readonly #base: number;

  /** `input`: position of the input. */
  constructor(memory: SharedArrayBuffer, input: number) {
    this.#all = new Float64Array(memory);
    this.#base = input * NAMES.length;
  }

  get(name: InputFigure): number {
    return this.#all[this.#base + PLACES[name]]!;
  }

  set(name: InputFigure, value: number): void {
    this.#all[this.#base + PLACES[name]] = value;
  }

  add(name: InputFigure, value: number): void {
    this.#all[this.#base + PLACES[name]]! += value;
  }

  /** Sum over all inputs. */
  sum(name: InputFigure): number {
    let sum = 0;
    for (let i = PLACES[name]; i < this.#all.length; i += NAMES.length) sum += this.#all[i]!;
    return sum;
  }

  /** Weight of all messages of all inputs that the recorder is not done with. */
  get queuedBytes(): number {
    return this.sum('sentWeight') - this.sum('doneWeight');
  }

  /** Nothing of what was sent so far will be done any more: the recorder thread `thread` begins anew. */
  restart(thread: number): void {
    if (this.get('recorderThread') === thread) return;
    this.set('recorderThread', thread);
    this.add('lostRequests', this.get('sentForStore') - this.get('settledRequests'));
    this.set('settledRequests', this.get('sentForStore'));
    this.set('takenRequests', this.get('sentRequests'));
    this.set('doneWeight', this.get('sentWeight'));
  }
}
