// A log that writes nothing.
import { fileSink, Logger } from '../../src/core/logger.ts';

export const quietLog = (): Logger =>
  new Logger({ ...fileSink(2), write: () => undefined }, { level: 'error', isText: false });
