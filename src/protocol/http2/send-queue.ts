// Bytes of one stream that wait to be sent, and what follows them.
import { BlockQueue } from '../../core/block-queue.ts';
import type { DeferredHead } from './header-writer.ts';

export class SendQueue extends BlockQueue {
  /** The stream ends after these bytes, or after `trailers`. */
  isEnd = false;
  /** Header section that is sent after the bytes. */
  trailers: DeferredHead | undefined = undefined;
}
