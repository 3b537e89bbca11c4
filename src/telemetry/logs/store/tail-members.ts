// The members of the attributes of a page of the tail, which is stored without columns, since the recorder has no time to
// make some.
// Invariant: the columns are made when they are first needed, once.
import { MemberColumn, type PageMembers } from './member-column.ts';
import { MemberIndex } from './member-knowledge.ts';
import { MemberTree, storedAttributes } from './member-tree.ts';
import type { Page } from './page.ts';
import { HAS } from './shape.ts';

export class TailMembers implements PageMembers {
  readonly #page: Page;
  #index: MemberIndex | undefined;
  #columns: readonly MemberColumn[] = [];

  constructor(page: Page) {
    this.#page = page;
  }

  find(name: string): MemberColumn | 'missing' | undefined {
    const found = (this.#index ??= this.#make()).find(name);
    return typeof found === 'number' ? this.#columns[found]! : found;
  }

  #make(): MemberIndex {
    const { rows } = this.#page;
    const tree = new MemberTree();
    for (let row = 0; row < rows; row++)
      if ((this.#page.shapeOf(row).has & HAS.attributes) !== 0)
        tree.add(row, storedAttributes(this.#page.attributes.text(this.#page.rankOf(HAS.attributes, row))));
    const { names, columns } = tree.encode(rows);
    this.#columns = columns.map(({ bytes }) => new MemberColumn(bytes, rows));
    return new MemberIndex(names);
  }
}
