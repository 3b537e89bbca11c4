// The contract of waiting and retries, for the fast lane.
import { waitingContract } from '../contract/waiting.ts';

waitingContract('the fast lane', []);
