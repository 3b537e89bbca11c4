// The contract of waiting and retries, for the full lane.
import { waitingContract } from '../contract/waiting.ts';

waitingContract('the full lane', ['--proxy-fast-lane=false']);
