// A stream of events as text, into the data of its events (HTML standard, 9.2.6).
// Must stay true: an event that is not ended by an empty line did not come; each character is looked at once.

const LINE = /\r\n|\n|\r/;

/** The data of each event; comments, names and ids of events are left out. `text` begins where the stream does. */
export function eventsOf(text: string): string[] {
  const events: string[] = [];
  let data: string[] = [];
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split(LINE);
  // What stands behind the last end of a line is no line yet.
  lines.pop();
  for (const line of lines) {
    if (line === '') {
      if (data.length > 0) events.push(data.join('\n'));
      data = [];
    } else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    else if (line === 'data') data.push('');
  }
  return events;
}
