// Time limits of a connection: first SETTINGS, keepalive PINGs, idle time, age, and the end of a graceful shutdown.
// Invariant: the clock is read once per sweep, never per frame.
import type { Http2Connection } from './connection.ts';
import { ERROR_CODE, Http2ConnectionError } from './error-code.ts';

/** Payloads of this side's PINGs: one asks whether the peer is there, one comes back when it knows of the GOAWAY. */
const KEEPALIVE_PING = Buffer.from('weirping', 'latin1');
export const GOAWAY_PING = Buffer.from('weirbye.', 'latin1');

/** Time for the answer to GOAWAY_PING. */
const GOAWAY_MS = 1000;
/** Share of the maximum age by which it differs, so that connections made together do not end together. */
const AGE_JITTER = 0.1;

export class Lifetime {
  readonly #connection: Http2Connection;
  readonly #startedMs = performance.now();
  readonly #maxAgeMs: number;
  /** Something came since the last sweep. */
  hasReceived = false;
  /** The peer has acknowledged SETTINGS. */
  areSettingsAcknowledged = false;
  /** When the graceful shutdown began; -1: it has not. */
  goAwayMs = -1;
  #receivedMs = this.#startedMs;
  #pingMs = -1;
  #idleSinceMs = -1;
  /** Value of `streams.opened` when the connection became idle. */
  #openedAtIdle = -1;

  constructor(connection: Http2Connection) {
    this.#connection = connection;
    this.#maxAgeMs = connection.options.maxAgeMs * (1 + AGE_JITTER * (2 * Math.random() - 1));
  }

  sweep(nowMs: number): void {
    const connection = this.#connection;
    if (connection.output.isOverflowing) return connection.fail(connection.guard.unreadOutput());
    connection.output.trim();
    this.#checkSettings(nowMs);
    if (!connection.isGone) this.#checkSilence(nowMs);
    if (!connection.isGone) this.#checkIdle(nowMs);
    if (connection.isGone) return;
    if (this.#maxAgeMs > 0 && nowMs - this.#startedMs > this.#maxAgeMs) connection.goAway();
    if (this.goAwayMs !== -1 && nowMs - this.goAwayMs > GOAWAY_MS) connection.sayLastId();
  }

  #checkSettings(nowMs: number): void {
    const connection = this.#connection;
    const { settingsTimeoutMs } = connection.options;
    if (connection.isReady && this.areSettingsAcknowledged) return;
    if (settingsTimeoutMs === 0 || nowMs - this.#startedMs <= settingsTimeoutMs) return;
    const what = connection.isReady ? 'did not acknowledge SETTINGS' : 'sent no SETTINGS';
    this.#end(
      'settings_timeout',
      ERROR_CODE.settingsTimeout,
      `the peer ${what} within ${settingsTimeoutMs} ms`,
    );
  }

  /** While streams are open, a silent peer is asked whether it is there. */
  #checkSilence(nowMs: number): void {
    const connection = this.#connection;
    const { pingIntervalMs, pingTimeoutMs } = connection.options;
    if (this.hasReceived || connection.openStreams === 0) {
      this.hasReceived = false;
      this.#receivedMs = nowMs;
      this.#pingMs = -1;
      return;
    }
    if (pingIntervalMs === 0 || !connection.isReady) return;
    if (this.#pingMs === -1) {
      if (nowMs - this.#receivedMs < pingIntervalMs) return;
      this.#pingMs = nowMs;
      connection.sendPing(KEEPALIVE_PING);
    } else if (nowMs - this.#pingMs > pingTimeoutMs)
      this.#end(
        'ping_timeout',
        ERROR_CODE.noError,
        `the peer did not answer a PING within ${pingTimeoutMs} ms`,
      );
  }

  /** Frames that open no stream do not prolong the time. */
  #checkIdle(nowMs: number): void {
    const connection = this.#connection;
    const { idleMs } = connection.options;
    if (connection.openStreams > 0 || connection.streams.opened !== this.#openedAtIdle) {
      this.#openedAtIdle = connection.openStreams > 0 ? -1 : connection.streams.opened;
      this.#idleSinceMs = nowMs;
    } else if (idleMs > 0 && nowMs - this.#idleSinceMs > idleMs) connection.goAway();
  }

  #end(problem: 'settings_timeout' | 'ping_timeout', code: number, message: string): void {
    this.#connection.fail(new Http2ConnectionError(problem, code, message));
  }
}
