// The contract of the wait queue and of retries, for three data threads.
import { waitingContract } from '../contract/waiting.ts';

waitingContract('three data threads', ['--threads=3']);
