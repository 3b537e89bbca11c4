// Watches the statements that the log store runs in this process, to end it at one of them.
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { vi } from 'vitest';

/** Calls `before` before each statement that the store runs. Returns a function that ends this. */
export function onStatement(before: (sql: string) => void): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- called with the statement
  const run = StatementSync.prototype.run;
  // oxlint-disable-next-line typescript/unbound-method -- called with the file
  const exec = DatabaseSync.prototype.exec;
  const spies = [
    vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
      before(this.sourceSQL);
      return Reflect.apply(run, this, values);
    }),
    vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
      before(sql);
      Reflect.apply(exec, this, [sql]);
    }),
  ];
  return () => {
    for (const spy of spies) spy.mockRestore();
  };
}
