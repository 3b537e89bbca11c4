// A long list of rows of one height: a pool of elements that are moved and written anew while one scrolls.
// Invariant: the number of row elements does not grow with the list; the chosen row has an element even when it is out of
// sight; text is written to text nodes only, and only when it differs.

/** Elements beyond this number are not needed: those in sight, and as many above and below. */
const POOL = 96;

/** Draws the rows of a list. `R`: the parts of a row's element. */
export interface RowPainter<R> {
  readonly make: (element: HTMLElement) => R;
  readonly paint: (parts: R, element: HTMLElement, index: number) => void;
}

/** A place in the list where other content stands between two rows. */
export interface Inset {
  /** The row above it; -1: none. */
  readonly index: number;
  readonly height: number;
}

const NO_INSET: Inset = { index: Infinity, height: 0 };

interface Slot<R> {
  readonly element: HTMLElement;
  readonly parts: R;
  index: number;
  top: number;
}

export interface PoolOptions {
  /** Height of a row in pixels. */
  readonly height: number;
  /** Height of the head that stays at the upper edge. */
  readonly headHeight: number;
  /** Called with the rows in sight, after they were drawn. */
  readonly onShown: (from: number, to: number) => void;
}

export class RowPool<R> {
  readonly #scroller: HTMLElement;
  readonly #sizer: HTMLElement;
  readonly #layer: HTMLElement;
  readonly #painter: RowPainter<R>;
  readonly #slots: Slot<R>[] = [];
  readonly #pinned: Slot<R>;
  readonly #options: PoolOptions;
  readonly #observer: ResizeObserver;
  #height: number;
  #count = 0;
  #viewHeight = 0;
  #chosen = -1;
  #inset = NO_INSET;
  #frame = 0;
  #isStale = true;

  /** `scroller` scrolls, `sizer` in it gets the height of the list, `layer` in that gets the elements. */
  constructor(
    { scroller, sizer, layer }: Record<'scroller' | 'sizer' | 'layer', HTMLElement>,
    painter: RowPainter<R>,
    options: PoolOptions,
  ) {
    this.#scroller = scroller;
    this.#sizer = sizer;
    this.#layer = layer;
    this.#painter = painter;
    this.#options = options;
    this.#height = options.height;
    this.#pinned = this.#makeSlot();
    scroller.addEventListener('scroll', this.#draw, { passive: true });
    this.#observer = new ResizeObserver(() => {
      this.#viewHeight = scroller.clientHeight - options.headHeight;
      this.#isStale = true;
      this.#draw();
    });
    this.#observer.observe(scroller);
    this.#viewHeight = scroller.clientHeight - options.headHeight;
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#observer.disconnect();
    this.#scroller.removeEventListener('scroll', this.#draw);
    for (const { element } of [...this.#slots, this.#pinned]) element.remove();
  }

  /** Number of rows, and the height of each. Rows are drawn anew. */
  update(count: number, height = this.#height): void {
    this.#count = count;
    this.#height = height;
    this.#isStale = true;
    this.#size();
    this.#draw();
  }

  /** Adds rows above all others. `isHeld`: what is in sight stays where it is. */
  prepend(added: number, isHeld: boolean): void {
    this.#count += added;
    if (this.#chosen >= 0) this.#chosen += added;
    if (this.#inset.index >= 0 && this.#inset.index !== Infinity)
      this.#inset = { ...this.#inset, index: this.#inset.index + added };
    this.#isStale = true;
    this.#size();
    if (isHeld) this.#scroller.scrollTop += added * this.#height;
    this.#draw();
  }

  /** Makes room between two rows. */
  set inset(inset: Inset | undefined) {
    const next = inset ?? NO_INSET;
    if (next.index === this.#inset.index && next.height === this.#inset.height) return;
    this.#inset = next;
    this.#isStale = true;
    this.#size();
    this.#draw();
  }

  /** The row that keeps its element. */
  set chosen(index: number) {
    if (index === this.#chosen) return;
    this.#chosen = index;
    this.#isStale = true;
    this.#draw();
  }

  /** Draws all rows in sight anew with the next frame. */
  repaint(): void {
    this.#isStale = true;
    this.#draw();
  }

  /** Rows between the upper and the lower edge. */
  get pageSize(): number {
    return Math.max(1, Math.floor(this.#viewHeight / this.#height) - 1);
  }

  /** Distance of a row from the top of the list, in pixels. */
  topOf(index: number): number {
    return index * this.#height + (index > this.#inset.index ? this.#inset.height : 0);
  }

  /** The row at a distance from the top of the list. */
  indexAt(y: number): number {
    const { index, height } = this.#inset;
    const end = (index + 1) * this.#height;
    const rows = y < end ? y : Math.max(end, y - height);
    return Math.max(0, Math.min(this.#count - 1, Math.floor(rows / this.#height)));
  }

  /** Scrolls so that a row is in sight. */
  reveal(index: number): void {
    const top = this.topOf(index);
    const { scrollTop } = this.#scroller;
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (top + this.#height > scrollTop + this.#viewHeight)
      this.#scroller.scrollTop = top + this.#height - this.#viewHeight;
    this.drawNow();
  }

  /** The element of a row that is drawn. */
  elementOf(index: number): HTMLElement | undefined {
    const slot = this.#slots.find((one) => one.index === index);
    return slot?.element ?? (this.#pinned.index === index ? this.#pinned.element : undefined);
  }

  /** The row of an element. */
  indexOf(element: Element): number {
    const slot = [...this.#slots, this.#pinned].find((one) => one.element === element);
    return slot === undefined ? -1 : slot.index;
  }

  #makeSlot(): Slot<R> {
    const element = document.createElement('div');
    element.setAttribute('role', 'row');
    element.hidden = true;
    const parts = this.#painter.make(element);
    this.#layer.append(element);
    return { element, parts, index: -1, top: -1 };
  }

  #size(): void {
    const inset = this.#inset.index === Infinity ? 0 : this.#inset.height;
    this.#sizer.style.height = `${this.#count * this.#height + inset}px`;
  }

  #draw = (): void => {
    this.#frame ||= requestAnimationFrame(() => this.drawNow());
  };

  /** Draws at once what a frame would draw. */
  drawNow(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { scrollTop } = this.#scroller;
    const first = this.#count === 0 ? 0 : this.indexAt(scrollTop);
    const last = this.#count === 0 ? -1 : this.indexAt(scrollTop + this.#viewHeight);
    const seen = last - first + 1;
    const size = Math.max(POOL, seen + 8);
    if (this.#slots.length < size) {
      for (const slot of this.#slots) this.#hide(slot);
      while (this.#slots.length < size) this.#slots.push(this.#makeSlot());
    }
    const spare = Math.floor((this.#slots.length - seen) / 2);
    const from = Math.max(0, Math.min(first - spare, this.#count - this.#slots.length));
    const to = Math.min(this.#count, from + this.#slots.length);
    const wasStale = this.#isStale;
    this.#isStale = false;
    for (let index = from; index < to; index++)
      this.#place(this.#slots[index % this.#slots.length]!, index, wasStale);
    // Fewer rows than elements.
    if (to - from < this.#slots.length)
      for (const slot of this.#slots) if (slot.index < from || slot.index >= to) this.#hide(slot);
    const isOut =
      this.#chosen >= 0 && this.#chosen < this.#count && (this.#chosen < from || this.#chosen >= to);
    if (isOut) this.#place(this.#pinned, this.#chosen, wasStale);
    else this.#hide(this.#pinned);
    if (this.#count > 0) this.#options.onShown(first, last);
  }

  #hide(slot: Slot<R>): void {
    if (slot.index === -1) return;
    slot.index = -1;
    slot.element.hidden = true;
  }

  #place(slot: Slot<R>, index: number, isStale: boolean): void {
    const top = this.topOf(index);
    if (slot.top !== top) {
      slot.top = top;
      slot.element.style.transform = `translateY(${top}px)`;
    }
    if (slot.index === index && !isStale) return;
    if (slot.index === -1) slot.element.hidden = false;
    // The focus stays with its row: another row must not get it because its element is used again.
    const hadFocus = slot.index !== index && slot.index !== -1 && slot.element === document.activeElement;
    slot.index = index;
    this.#painter.paint(slot.parts, slot.element, index);
    if (hadFocus) this.#keepFocus();
  }

  /** Moves the focus to the element that the chosen row has now. */
  #keepFocus(): void {
    queueMicrotask(() => this.elementOf(this.#chosen)?.focus({ preventScroll: true }));
  }
}
