// The live tail: takes records into the list once a frame, holds them while one reads, and goes on after breaks.
// Invariant: what the tail brings has no gap and no double: it goes on behind the last id, and records of the search are
// not brought again. At most one tail a tab; a hidden one is closed after 30 s.
import { effect, signal } from '@preact/signals';
import { get, open, outage, type ApiError } from '../../api/client.ts';
import { eventsOf, SseParser, type ServerEvent } from '../../api/sse.ts';
import type { MeJson } from '../../../src/control/admin/overview/me-json.ts';
import { announce, isVisible } from '../../state.ts';
import type { Gap, HeldRow } from './held-rows.ts';
import { LiveQueue } from './live-queue.ts';
import type { LogList, ListQuestion } from './log-list.ts';
import { gravityOf, viewQuery, type LogJson } from './record.ts';

/** Records that are taken with one frame. */
const A_FRAME = 500;
/** While the list is held it is looked at this often, in milliseconds. */
const HELD_MS = 250;
const HIDDEN_MS = 30_000;
const RATE_MS = 10_000;
const SPOKEN_MS = 5000;
/** Records of a gap that are loaded at a time. */
const LOADED = 5000;
const LONGEST_PAUSE_MS = 30_000;

export interface LiveState {
  /** `off`; `connecting`; `on`; `paused`: the tab is hidden; `broken`: it is tried again; `ended`: it is not. */
  readonly phase: 'off' | 'connecting' | 'on' | 'paused' | 'broken' | 'ended';
  /** Why the list is held; '': it is not. */
  readonly held: string;
  /** Records that wait. */
  readonly waiting: number;
  readonly leftOut: number;
  readonly perSecond: number;
  /** Records since the beginning. */
  readonly count: number;
  readonly sinceMs: number;
  /** Why it broke or ended. */
  readonly reason: string;
}

const OFF: LiveState = {
  phase: 'off',
  held: '',
  waiting: 0,
  leftOut: 0,
  perSecond: 0,
  count: 0,
  sinceMs: 0,
  reason: '',
};

export interface LiveOptions {
  readonly list: LogList;
  /** Why the list must not move now; '': it may. */
  readonly holdReason: () => string;
  /** Rows were added above all others. */
  readonly onAdded: (count: number) => void;
}

const pause = (ms: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    stop.addEventListener('abort', end, { once: true });
  });

export class LiveTail {
  readonly state = signal(OFF);
  readonly #options: LiveOptions;
  #question: ListQuestion | undefined;
  #queue = new LiveQueue('');
  #parser = new SseParser();
  /** Where the next connection begins; '' before the first. */
  #after = '';
  #stop: AbortController | undefined;
  #connection: AbortController | undefined;
  /** Handles of a timer and of a frame: numbers of their own each, so that one must not end the other. */
  #timer = 0;
  #frame = 0;
  #isScheduled = false;
  #arrivals: { readonly atMs: number; readonly count: number }[] = [];
  #spoken = { atMs: 0, count: 0, errors: 0 };
  #disposeVisible: (() => void) | undefined;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  /** Asks the question of the list anew, and follows from there. */
  async start(question: ListQuestion): Promise<void> {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    this.#question = question;
    this.#change({ ...OFF, phase: 'connecting', sinceMs: Date.now() });
    const me = await get<MeJson>('/v1/me', { signal: stop.signal });
    if (stop.signal.aborted) return;
    this.#after = (me.ok && me.value.store?.newest_place) || '';
    this.#queue = new LiveQueue(this.#after);
    this.#parser = new SseParser();
    await this.#options.list.ask(question);
    if (stop.signal.aborted) return;
    this.#watchVisibility();
    void this.#run(stop.signal);
  }

  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#connection?.abort();
    this.#disposeVisible?.();
    this.#disposeVisible = undefined;
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#isScheduled = false;
    this.#arrivals = [];
    if (this.state.peek().phase !== 'off') this.#change(OFF);
  }

  #change(changes: Partial<LiveState>): void {
    this.state.value = { ...this.state.peek(), ...changes };
  }

  /** Connects again and again until it is stopped. */
  async #run(stop: AbortSignal): Promise<void> {
    let attempts = 0;
    while (!stop.aborted) {
      if (!isVisible.peek() && this.state.peek().phase === 'paused') {
        await this.#untilVisible(stop);
        continue;
      }
      const connection = new AbortController();
      this.#connection = connection;
      const error = await this.#follow(AbortSignal.any([stop, connection.signal]));
      if (stop.aborted) return;
      if (connection.signal.aborted) continue;
      if (error === undefined) attempts = 0;
      // A refusal does not get better by itself.
      if (error !== undefined && error.status >= 400 && error.status < 500) {
        this.#change({ phase: 'ended', reason: error.message });
        return;
      }
      this.#change({
        phase: 'broken',
        reason: this.state.peek().reason || (error?.message ?? 'The connection broke'),
      });
      await pause(Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** attempts++) * (0.8 + Math.random() * 0.4), stop);
      // The client knows first when weir is back.
      while (!stop.aborted && outage.peek() !== undefined) await pause(250, stop);
    }
  }

  async #untilVisible(stop: AbortSignal): Promise<void> {
    while (!stop.aborted && !isVisible.peek()) await pause(100, stop);
  }

  /** One connection, until it ends. */
  async #follow(signal: AbortSignal): Promise<ApiError | undefined> {
    const { query, attributes } = this.#question!;
    const { since: _since, start: _start, end: _end, ...filter } = query;
    const { lastId } = this.#parser;
    const opened = await open('GET', '/v1/logs', {
      query: {
        ...filter,
        ...viewQuery(attributes),
        follow: 1,
        after: lastId === '' ? this.#after : undefined,
      },
      headers: { Accept: 'text/event-stream', ...(lastId !== '' && { 'Last-Event-ID': lastId }) },
      signal,
    });
    if (!opened.ok) return opened.error;
    this.#change({ phase: 'on', reason: '' });
    this.#parser = new SseParser(lastId);
    try {
      for await (const events of eventsOf(opened.res, this.#parser)) {
        if (signal.aborted) return undefined;
        this.#took(events);
      }
    } catch {
      // The connection broke: what came before it has been taken, and the next one goes on behind it.
    }
    return undefined;
  }

  #took(events: readonly ServerEvent[]): void {
    let count = 0;
    let errors = 0;
    for (const { name, data, id } of events) {
      if (name === 'end') {
        this.#change({ reason: (JSON.parse(data) as { readonly reason?: string }).reason ?? '' });
        continue;
      }
      if (name === 'dropped') {
        const missed = JSON.parse(data) as { readonly count?: number; readonly places?: number };
        this.#queue.drop(missed.count ?? missed.places ?? 0, missed.count !== undefined);
        continue;
      }
      if (name !== 'message') continue;
      const row = JSON.parse(data) as LogJson;
      if (this.#options.list.isKnown(row.seq)) continue;
      this.#options.list.know(row.seq);
      this.#queue.push(row, id);
      count++;
      if (gravityOf(row) === 'err') errors++;
    }
    this.#count(count, errors);
    this.#schedule();
  }

  #count(count: number, errors: number): void {
    const now = Date.now();
    this.#arrivals.push({ atMs: now, count });
    while (this.#arrivals[0] !== undefined && this.#arrivals[0].atMs < now - RATE_MS) this.#arrivals.shift();
    const { sinceMs, count: before } = this.state.peek();
    const spanMs = Math.max(1000, Math.min(RATE_MS, now - sinceMs));
    const recent = this.#arrivals.reduce((sum, one) => sum + one.count, 0);
    this.#change({ count: before + count, perSecond: (recent * 1000) / spanMs });
    this.#spoken.count += count;
    this.#spoken.errors += errors;
    if (now - this.#spoken.atMs < SPOKEN_MS || this.#spoken.count === 0) return;
    announce(`${this.#spoken.count} new, ${this.#spoken.errors} errors`);
    this.#spoken = { atMs: now, count: 0, errors: 0 };
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#frame = requestAnimationFrame(this.#take);
  }

  /** Takes what waits into the list, unless it is held. */
  #take = (): void => {
    this.#isScheduled = false;
    if (this.#stop === undefined) return;
    const held = this.#options.holdReason();
    if (held === '') {
      const rows = this.#queue.take(A_FRAME);
      if (rows.length > 0) {
        const { list, onAdded } = this.#options;
        list.rows.addLive(rows, list.near);
        onAdded(rows.length);
      }
    }
    this.#change({ held, waiting: this.#queue.size, leftOut: this.#queue.leftOut });
    if (held !== '') {
      this.#isScheduled = true;
      this.#timer = setTimeout(() => {
        this.#isScheduled = false;
        this.#schedule();
      }, HELD_MS);
    } else if (this.#queue.hasRows) this.#schedule();
  };

  /** Looks anew whether the list is held. */
  look(): void {
    if (this.#stop === undefined) return;
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#isScheduled = false;
    this.#schedule();
  }

  /** Closes the tail of a tab that has been hidden for a while; it goes on from its place when it is seen again. */
  #watchVisibility(): void {
    this.#disposeVisible = effect(() => {
      if (isVisible.value) {
        if (this.state.peek().phase === 'paused') this.#change({ phase: 'connecting' });
        return undefined;
      }
      const timer = setTimeout(() => {
        this.#change({ phase: 'paused' });
        this.#connection?.abort();
      }, HIDDEN_MS);
      return () => clearTimeout(timer);
    });
  }

  /** Loads what was left out in a gap, oldest first, as far as `LOADED` records. */
  async load(gap: Gap): Promise<ApiError | undefined> {
    const { query, attributes } = this.#question!;
    const { since: _since, start: _start, end: _end, ...filter } = query;
    const { list } = this.#options;
    const stop = new AbortController();
    const opened = await open('GET', '/v1/logs', {
      query: { ...filter, ...viewQuery(attributes), follow: 1, after: gap.afterPlace },
      headers: { Accept: 'text/event-stream' },
      signal: stop.signal,
    });
    if (!opened.ok) return opened.error;
    const rows: LogJson[] = [];
    const parser = new SseParser();
    let isWhole = false;
    let place = gap.afterPlace;
    for await (const events of eventsOf(opened.res, parser)) {
      for (const { name, data, id } of events) {
        if (name !== 'message') continue;
        const row = JSON.parse(data) as LogJson;
        isWhole = row.seq === gap.nextSeq || (gap.isCounted && rows.length >= gap.count);
        if (isWhole || rows.length >= LOADED) break;
        rows.push(row);
        place = id;
      }
      if (isWhole || rows.length >= LOADED) break;
    }
    stop.abort();
    this.#queue.leftOut = Math.max(0, this.#queue.leftOut - rows.length);
    const rest: Gap = { ...gap, afterPlace: place, count: Math.max(1, gap.count - rows.length) };
    list.rows.fillGap(gap, rows satisfies HeldRow[], isWhole ? undefined : rest);
    list.version.value++;
    this.#change({ leftOut: this.#queue.leftOut });
    return undefined;
  }
}
