import { MemoryStore } from '../../../../src/async/queue/stores/memory-store.ts';
import { storeContract } from '../../../contract/store.ts';

storeContract('memory', () => ({
  async open(events) {
    const store = new MemoryStore(64 * 1024 ** 2, events);
    await store.open();
    return store;
  },
  clean: () => Promise.resolve(),
}));
