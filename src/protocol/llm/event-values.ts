// The wanted values of one event of a response, or of a plain body, until it is known to be whole.
import { UNKNOWN } from '../../core/exchange/llm-facts.ts';
import { USAGE_SIZE } from './response-paths.ts';

/** The values of one event, or of a plain body. */
export class EventValues {
  readonly counts = new Float64Array(3 * USAGE_SIZE).fill(UNKNOWN);
  /** Which usage objects have counts: sum of HAS_COUNTS. */
  has = 0;
  /** Sum of SEEN. */
  seen = 0;
  promptEval = UNKNOWN;
  eval = UNKNOWN;
  model = '';
  id = '';
  type = '';
  object = '';
  stopReason = '';
  doneReason = '';
  status = '';
  done: boolean | undefined = undefined;
  choices = 0;
  /** Choices that were seen, and those with a finish reason. Bits. */
  seenChoices = 0;
  endedChoices = 0;
  /** The lowest index of a choice, and its finish reason. */
  firstIndex = Infinity;
  firstFinish = '';
  /** A choice has `error` as its finish reason. */
  hasErrorFinish = false;
  /** JSON texts, by slots of RAW. */
  errors: string[] | undefined = undefined;
  message = '';
  errorType = '';

  clear(): void {
    if (this.has !== 0) for (let i = 0; i < this.counts.length; i++) this.counts[i] = UNKNOWN;
    this.has = this.seen = this.choices = this.seenChoices = this.endedChoices = 0;
    this.promptEval = this.eval = UNKNOWN;
    this.firstIndex = Infinity;
    this.firstFinish =
      this.model =
      this.id =
      this.type =
      this.object =
      this.stopReason =
      this.doneReason =
      this.status =
      this.message =
      this.errorType =
        '';
    this.done = undefined;
    this.hasErrorFinish = false;
    this.errors = undefined;
  }
}
