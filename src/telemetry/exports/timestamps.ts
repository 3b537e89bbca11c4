// Writes times as ISO 8601 in UTC with milliseconds. Times of rows are close together, so most of the text is used again.
// Invariant: the text is that of Date.toISOString.

export class Timestamps {
  #second = NaN;
  #before = '';

  format(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#before = new Date(second * 1000).toISOString().slice(0, -4);
    }
    const rest = ms - second * 1000;
    return `${this.#before}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
  }
}
