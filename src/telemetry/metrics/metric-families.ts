// All metric families, in the order of the page. A new family is a file in families/ and a line in this list.
import type { Family } from './family.ts';
import { asyncFamilies } from './families/async.ts';
import { certificateFamilies } from './families/server-tls.ts';
import { clientKeyFamilies } from './families/client-keys.ts';
import { collectorFamilies } from './families/collectors.ts';
import { containerFamilies } from './families/containers.ts';
import { gpuFamilies } from './families/gpu.ts';
import { http2Families } from './families/http2.ts';
import { llmFamilies } from './families/llm.ts';
import { logFamilies } from './families/logs.ts';
import { otlpExportFamilies } from './families/otlp-export.ts';
import { podFamilies } from './families/pods.ts';
import { replicaFamilies } from './families/replicas.ts';
import { replicaMetricsFamilies } from './families/replica-metrics.ts';
import { requestFamilies } from './families/requests.ts';
import { scoringFamilies } from './families/scoring.ts';
import { scalingFamilies } from './families/scaling.ts';
import { selfFamilies } from './families/self.ts';
import { waitQueueFamilies } from './families/wait-queue.ts';

export const metricFamilies: readonly Family[] = [
  ...requestFamilies,
  ...llmFamilies,
  ...asyncFamilies,
  ...clientKeyFamilies,
  ...waitQueueFamilies,
  ...podFamilies,
  ...replicaFamilies,
  ...http2Families,
  ...scalingFamilies,
  ...containerFamilies,
  ...gpuFamilies,
  ...logFamilies,
  ...otlpExportFamilies,
  ...scoringFamilies,
  ...collectorFamilies,
  ...certificateFamilies,
  ...selfFamilies,
  ...replicaMetricsFamilies,
];
