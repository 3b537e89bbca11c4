// The module that the reader thread loads which finds and hides records (threads/reader-thread.ts).
import type { QueriedStore, ReadRecords } from '../threads/reader-module.ts';
import { operationsOf, type DeletionOperations } from './deletion-operations.ts';

export const operations = (_: ReadRecords, store: QueriedStore, folder: string): DeletionOperations =>
  operationsOf(folder, store);
