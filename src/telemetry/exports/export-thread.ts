// The module that the reader thread of export jobs loads (telemetry/logs/threads/reader-thread.ts).
// Invariant: the thread has a low priority before it reads anything.
import type { ReadRecords, ReadStore } from '../logs/logs.ts';
import { fileOperations, type FileOperations } from './export-operations.ts';
import { lowerPriority } from '../../core/low-priority.ts';

export function operations(_: ReadRecords, store: ReadStore): FileOperations {
  lowerPriority();
  return fileOperations(store);
}
