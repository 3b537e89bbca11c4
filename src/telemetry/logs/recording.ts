// How a data thread other than the main thread records requests. It loads nothing of the store, and of its queries.
export { CapturePolicy } from './ingest/capture-policy.ts';
export { InputFigures } from './recorder/input-figures.ts';
export type { RecorderConnection } from './recorder/recorder-client.ts';
export { RecorderInput } from './recorder/recorder-input.ts';
export { RequestRecorder } from './recorder/request-recorder.ts';
