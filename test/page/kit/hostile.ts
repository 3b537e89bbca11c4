// Lines that try to be more than text when they are shown.
// Invariant: a page that shows one of them as anything but text sets `window.pwned`, asks another origin or misleads.

const ESC = '\u001b';

/** Each is the message of a line. */
export function hostileLines(): string[] {
  return [
    `hostile html <img src=x onerror="window.pwned=1"><script>window.pwned=2</script><svg onload=window.pwned=3>`,
    `hostile attribute "><a href="javascript:window.pwned=4">click</a> ' onmouseover='window.pwned=5`,
    `hostile link javascript:window.pwned=6 and https://attacker.example/steal?x=1 and data:text/html,<script>window.pwned=7</script>`,
    `hostile bidi user\u202Egnp.exe\u202C and \u2066isolated\u2069 and zero\u200Bwidth`,
    `hostile ansi ${ESC}[31mred${ESC}[0m ${ESC}]0;title\u0007 ${ESC}[2J cleared`,
    `hostile nul before\u0000after and bell \u0007 and backspace abc\b\b\b`,
    `hostile long ${'0123456789abcdef'.repeat(4096)}`.slice(0, 65_536),
    `hostile template {{constructor.constructor('window.pwned=8')()}} \${window.pwned=9}`,
    `hostile lines first\r\nsecond\u2028third\u2029fourth`,
  ];
}

/** A name that would be more than text if it were taken as HTML, is long, and has a character that cannot be seen. */
export const HOSTILE_NAME = `<img src=x onerror="window.pwned=1"> \u202egnp.exe ${'x'.repeat(40)}`;
