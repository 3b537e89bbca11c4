// Restarts under load: a few, since each starts a process. restart.slow.test.ts makes a hundred.
import { restartsContract } from '../contract/restarts.ts';

restartsContract(3);
