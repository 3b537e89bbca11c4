// The full lane keeps the promises of waiting and of sending again.
import { waitingContract } from '../contract/waiting.ts';

waitingContract('the full lane', ['--proxy-fast-lane=false']);
