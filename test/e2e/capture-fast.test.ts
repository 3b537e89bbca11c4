// The shared capture suite, in the fast lane.
import { captureContract } from '../contract/capture.ts';

captureContract('fast lane', []);
