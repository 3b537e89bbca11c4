// Ends connections of peers that make weir work for nothing: floods of resets, of frames that move nothing, of window
// updates, and output that is not read. Hot path.
// Invariant: a peer that only moves data and ends its streams never meets a limit, however fast or slow it is.
import { Budget } from './budget.ts';
import type { Http2Options } from './connection-options.ts';
import { ERROR_CODE, Http2ConnectionError, type ConnectionProblem } from './error-code.ts';
import { frameName } from './frame-types.ts';

/** Window updates that are allowed beyond those that sent data explains. */
const UPDATE_SLACK = 1000;
/** A receiver sends an update for a stream and for its connection, for each frame or for each of so many bytes. */
const UPDATES_PER_FRAME = 2;
const BYTES_PER_UPDATE_SHIFT = 8;
/** Received bytes that give back one frame of the control budget: peers measure round trips by PING while data moves. */
const BYTES_PER_CONTROL_SHIFT = 13;

export class FloodGuard {
  readonly #resets: Budget;
  readonly #control: Budget;
  #updates = UPDATE_SLACK;

  constructor({ resetBurst, resetsPerSecond, controlBurst, controlPerSecond }: Http2Options) {
    this.#resets = new Budget(resetBurst, resetsPerSecond);
    this.#control = new Budget(controlBurst, controlPerSecond);
  }

  /** The peer reset a stream, or broke a rule so that weir reset it (CVE-2023-44487, CVE-2025-8671). */
  reset(): Http2ConnectionError | undefined {
    return this.#resets.spend(1)
      ? undefined
      : calm('resets', 'the peer made too many streams end by RST_STREAM');
  }

  /** A stream ended without a reset. */
  streamEnded(): void {
    this.#resets.giveBack(1);
    this.#control.giveBack(1);
  }

  /** A frame came that moves nothing. */
  control(type: number, cost = 1): Http2ConnectionError | undefined {
    if (this.#control.spend(cost)) return undefined;
    return calm(
      'control_frames',
      `the peer sent too many frames that move no data, the last one ${frameName(type)}`,
    );
  }

  dataReceived(bytes: number): void {
    const frames = bytes >> BYTES_PER_CONTROL_SHIFT;
    if (frames > 0) this.#control.giveBack(frames);
  }

  /** DATA was sent: it explains window updates to come. */
  dataSent(bytes: number): void {
    this.#updates += UPDATES_PER_FRAME + (bytes >> BYTES_PER_UPDATE_SHIFT);
  }

  /** A stream was opened: its windows may be enlarged. */
  streamOpened(): void {
    this.#updates += UPDATES_PER_FRAME;
  }

  /** A window update that no sent data explains moves nothing either. */
  windowUpdate(): Http2ConnectionError | undefined {
    if (this.#updates > 0) {
      this.#updates--;
      return undefined;
    }
    if (this.#control.spend(1)) return undefined;
    return calm(
      'window_updates',
      'the peer sent more WINDOW_UPDATE frames than the data sent to it explains',
    );
  }

  unreadOutput(): Http2ConnectionError {
    return calm('unread_output', 'the peer does not read what is sent to it');
  }

  headerFrames(bytes: number, frames: number): Http2ConnectionError {
    return calm('header_frames', `a header section has ${bytes} bytes in ${frames} frames, and no end`);
  }
}

const calm = (problem: ConnectionProblem, text: string) =>
  new Http2ConnectionError(problem, ERROR_CODE.enhanceYourCalm, text);
