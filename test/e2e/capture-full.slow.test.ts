// The shared capture suite, in the full lane.
import { captureContract } from '../contract/capture.ts';

captureContract('HTTP/1.1 server', ['--proxy-fast-lane=false']);
