// The door of the room of the record: what others may know of it.
// Must stay true: whoever is outside of the room comes in here.
export { recordsOfLogs, recordsOfSpans, type Intake } from './otlp-intake.ts';
export { attributesOf, type Kind, type LogRecord, type Origin } from './record.ts';
export { SEVERITY, severityOfName, severityText } from './severity.ts';
