// The fields of one header section in their order (RFC 9113 8.1).
// Invariant: duplicates are kept.
import { intern, type Field } from './field.ts';

export class HeaderBlock {
  readonly fields: readonly Field[];
  readonly size: number;
  readonly method: string = '';
  readonly path: string = '';
  readonly scheme: string = '';
  readonly authority: string = '';
  readonly protocol: string = '';
  readonly status: string = '';
  /** -1: none, -2: invalid or contradictory. */
  readonly contentLength: number = -1;
  /** '' or why it is malformed. */
  readonly problem: string = '';
  /** It is above the limit, so its fields are not complete. */
  readonly isTooLarge: boolean = false;

  constructor(fields: readonly Field[]) {
    this.fields = fields;
    this.size = fields.reduce((sum, { size }) => sum + size, 0);
  }

  /** Value of the first field with this name. */
  value(name: string): string | undefined {
    return this.fields.find((field) => field.name === name)?.value;
  }

  /** Name, value, name, value and so on. */
  raw(): readonly string[] {
    return this.fields.flatMap(({ name, value }) => [name, value]);
  }

  static of(list: readonly string[]): HeaderBlock {
    const fields: Field[] = [];
    for (let i = 0; i < list.length; i += 2) fields.push(intern(list[i]!, list[i + 1]!));
    return new HeaderBlock(fields);
  }
}
