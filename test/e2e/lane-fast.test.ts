// The fast lane keeps the promises of every lane.
import { laneContract } from '../contract/lane.ts';

laneContract('the fast lane', []);
