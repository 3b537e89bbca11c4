// The module that the reader thread loads which writes files anew (threads/reader-thread.ts).
// Invariant: the thread has a low priority before it reads anything.
import { lowerPriority } from '../../../core/low-priority.ts';
import type { QueriedStore, ReadRecords } from '../threads/reader-module.ts';
import { operationsOf, type DeletionOperations } from './deletion-operations.ts';

export function operations(_: ReadRecords, store: QueriedStore, folder: string): DeletionOperations {
  lowerPriority();
  return operationsOf(folder, store);
}
