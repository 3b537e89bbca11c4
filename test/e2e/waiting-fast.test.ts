// The fast lane keeps the promises of waiting and of sending again.
import { waitingContract } from '../contract/waiting.ts';

waitingContract('the fast lane', []);
