// A hundred restarts under load.
import { restartsContract } from '../contract/restarts.ts';

restartsContract(100);
