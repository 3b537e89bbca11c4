// Writes records into the elements of the list's rows, and marks what was searched.
// Invariant: only text nodes and classes are written; a text of a log is never read as HTML.
import { grouped } from '../../formats.ts';
import type { RowPainter } from '../../parts/row-pool.ts';
import { rowLabel, type CellContext, type Column } from './columns.ts';
import { isGap, type Gap, type HeldRow } from './held-rows.ts';
import { gravityOf } from './record.ts';

export interface RowParts {
  readonly cells: readonly CellParts[];
  /** Text of a row that stands for no single record. */
  readonly other: Text;
  readonly element: HTMLElement;
}

interface CellParts {
  readonly element: HTMLElement;
  readonly first: Text;
  readonly second: Text;
  tone: string;
}

/** What the rows are painted of. Read at each paint. */
export interface RowSource {
  readonly at: (index: number) => HeldRow | undefined;
  readonly columns: readonly Column[];
  readonly context: () => CellContext;
  /** The row that has the tab stop, and those that are chosen with it. */
  readonly chosen: () => { readonly at: number; readonly from: number; readonly to: number };
  readonly open: () => number;
}

const gapText = ({ count, isCounted }: Gap): string =>
  isCounted
    ? `${grouped(count)} ${count === 1 ? 'record' : 'records'} arrived too fast for the browser and were left out here`
    : `${grouped(count)} stored records were left out here; how many of them match was not counted`;

function span(parent: HTMLElement, name: string): HTMLElement {
  const element = document.createElement('span');
  if (name !== '') element.className = name;
  parent.append(element);
  return element;
}

const write = (node: Text, text: string): void => {
  if (node.data !== text) node.data = text;
};

const HIGHLIGHT = 'found';

/** True if the browser can mark parts of text nodes (CSS Custom Highlight API). */
const canMark = typeof Highlight === 'function' && 'highlights' in CSS;

export class LogRowPainter implements RowPainter<RowParts> {
  readonly #source: RowSource;
  readonly #all: RowParts[] = [];
  #marked: RegExp | undefined;
  #isDirty = true;

  constructor(source: RowSource) {
    this.#source = source;
  }

  /** What is marked in messages. */
  set marked(pattern: RegExp | undefined) {
    this.#marked = pattern;
    this.#isDirty = true;
    this.mark();
  }

  make(element: HTMLElement): RowParts {
    element.className = 'l g';
    span(element, 'bar').setAttribute('role', 'presentation');
    const cells = this.#source.columns.map(({ id, isNumber, field }): CellParts => {
      const cell = span(element, `c c-${id.replaceAll(/[^a-z]/gi, '-')}${isNumber ? ' n' : ''}`);
      cell.setAttribute('role', 'gridcell');
      if (field !== '') cell.dataset['field'] = field;
      const [first, second] = [new Text(), new Text()];
      span(cell, 'a').append(first);
      span(cell, 'b').append(second);
      return { element: cell, first, second, tone: '' };
    });
    const other = new Text();
    const rest = span(element, 'other');
    rest.setAttribute('role', 'gridcell');
    rest.append(other);
    const parts = { cells, other, element };
    this.#all.push(parts);
    return parts;
  }

  paint({ cells, other }: RowParts, element: HTMLElement, index: number): void {
    const { at, columns, chosen, open } = this.#source;
    const row = at(index);
    const { at: current, from, to } = chosen();
    const isChosen = index === current;
    const isIn = index >= from && index <= to;
    const state = `${isIn ? ' cur' : ''}${index === open() ? ' open' : ''}`;
    this.#isDirty = true;
    element.setAttribute('aria-rowindex', String(index + 2));
    element.setAttribute('aria-selected', String(isIn));
    element.tabIndex = isChosen || (current === -1 && index === 0) ? 0 : -1;
    if (row === undefined || isGap(row)) {
      element.className = `l g ${row === undefined ? 'wait' : 'gap'}${state}`;
      write(other, row === undefined ? '…' : `${gapText(row)}. Enter loads them.`);
      element.removeAttribute('aria-label');
      return;
    }
    const context = this.#source.context();
    element.className = `l g ${gravityOf(row)} k-${row.kind}${state}`;
    if (isChosen) element.setAttribute('aria-label', rowLabel(row, context));
    else element.removeAttribute('aria-label');
    write(other, '');
    for (const [i, column] of columns.entries()) {
      const parts = cells[i]!;
      const { first, second, tone } = column.cell(row, context);
      write(parts.first, first);
      write(parts.second, second);
      if (parts.tone === tone) continue;
      if (parts.tone !== '') parts.element.classList.remove(parts.tone);
      if (tone !== '') parts.element.classList.add(tone);
      parts.tone = tone;
    }
  }

  /** Marks what was searched in the rows that are drawn. */
  mark(): void {
    if (!this.#isDirty || !canMark) return;
    this.#isDirty = false;
    const column = this.#source.columns.findIndex(({ id }) => id === 'message');
    if (this.#marked === undefined || column === -1) {
      CSS.highlights.delete(HIGHLIGHT);
      return;
    }
    const ranges: Range[] = [];
    for (const { cells, element } of this.#all)
      if (!element.hidden) ranges.push(...rangesIn(cells[column]!.first, this.#marked));
    CSS.highlights.set(HIGHLIGHT, new Highlight(...ranges));
  }

  close(): void {
    if (canMark) CSS.highlights.delete(HIGHLIGHT);
  }
}

/** The places of a text that a pattern with the flag `g` matches. */
function rangesIn(node: Text, pattern: RegExp): Range[] {
  const ranges: Range[] = [];
  for (const { index, 0: found } of node.data.matchAll(pattern)) {
    if (found === '') continue;
    const range = new Range();
    range.setStart(node, index);
    range.setEnd(node, index + found.length);
    ranges.push(range);
  }
  return ranges;
}

/** Marks a text that is not part of the list, such as an opened one, under a name of its own. */
export function markIn(name: string, nodes: readonly Text[], pattern: RegExp | undefined): void {
  if (!canMark) return;
  const ranges = pattern === undefined ? [] : nodes.flatMap((node) => rangesIn(node, pattern));
  if (ranges.length === 0) CSS.highlights.delete(name);
  else CSS.highlights.set(name, new Highlight(...ranges));
}
