// Personal data is found by its form and its check digits, and nothing else is.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MASK_RULES, rulesOf } from '../../../../src/telemetry/logs/masking/mask-rules.ts';
import { Masker } from '../../../../src/telemetry/logs/masking/masker.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };
const all = new Masker(rulesOf(MASK_RULES));

describe('Masker', () => {
  it.each([
    ['write to ann.b+c@mail.example.com.', 'write to [email].'],
    ['mailto:ann@example.com?x', 'mailto:[email]?x'],
    ['/users?to=ann%40example.com&n=1', '/users?to=[email]&n=1'],
    ['pay 4111 1111 1111 1111 now', 'pay [card] now'],
    ['pay 4111-1111-1111-1111, cvv 123', 'pay [card], cvv 123'],
    ['378282246310005', '[card]'],
    ['3782 822463 10005', '[card]'],
    ['card_5555555555554444_x', 'card_[card]_x'],
    [String.raw`line\n4111111111111111`, String.raw`line\n[card]`],
    ['IBAN DE89 3704 0044 0532 0130 00 and more', 'IBAN [iban] and more'],
    ['gb82west12345698765432', '[iban]'],
    ['call +49 (0)30 901820 or (212) 555-0123', 'call [phone] or [phone]'],
    ['call 1-212-555-0123, 030/9018200, 01 23 45 67 89', 'call [phone], [phone], [phone]'],
    ['0049 30 9018200', '[phone]'],
    ['ssn 078-05-1120', 'ssn [us_ssn]'],
    ['Social Security number: 078051120', 'Social Security number: [us_ssn]'],
    ['NI QQ 12 34 56 C, AB123456C', 'NI QQ 12 34 56 C, [uk_nino]'],
    ['SIN 130 692 544', 'SIN [ca_sin]'],
    ['Steuer-ID 86095742719', 'Steuer-ID [de_tax_id]'],
    ['NIR 1 84 12 76 451 089 46', 'NIR [fr_nir]'],
    ['DNI 12345678Z, NIE X1234567L', 'DNI [es_dni], NIE [es_dni]'],
    ['CF RSSMRA85T10A562S', 'CF [it_cf]'],
    ['AHV 756.9217.0769.85', 'AHV [ch_ahv]'],
    ['PESEL 44051401359', 'PESEL [pl_pesel]'],
    ['CPF 529.982.247-25', 'CPF [br_cpf]'],
    ['Aadhaar 2341 2341 2346', 'Aadhaar [in_aadhaar]'],
    ['ID 11010519491231002X', 'ID [cn_id]'],
    ['+49\u201130\u20119018200, 4111\u20091111\u20091111\u20091111', '[phone], [card]'],
    [String.raw`"tel":"\u002B49 30 9018200"`, '"tel":"[phone]"'],
    [String.raw`"tel":"030\/9018200"`, '"tel":"[phone]"'],
    [String.raw`"to":"jos\u00e9@m\u00fcller.de\u0022`, String.raw`"to":"[email]\u0022`],
    [String.raw`\"to\":\"ann\\u0040example.com\"`, String.raw`\"to\":\"[email]\"`],
    [String.raw`4111\u00a01111\u00a01111\u00a0111\u0031.`, '[card].'],
    [String.raw`IBAN\nDE89370400440532013000\n`, String.raw`IBAN\n[iban]\n`],
    ['tel=%2B49309018200&card=4111%201111%201111%201111&x=%31', 'tel=[phone]&card=[card]&x=%31'],
    ['50%4111111111111111', '50%[card]'],
  ])('masks %s', (text, expected) => {
    expect(all.mask(text)).toBe(expected);
    expect(all.mask(expected)).toBe(expected);
  });

  it.each([
    '2026-11-28T03:20:28.123Z took 0.4111111111111111 s, logprob -0.4532015112830366',
    'request 31255019cf83c4d0c7492a5006591e1f502a5, trace 4bf92f3577b34da6a3ce929d0e0e4736',
    'created 1732764028, 1732764028123, 1732764028123456, 1732764028123456789',
    'id 550e8400-e29b-41d4-a716-446655440000, version 1.22.333.4444',
    'card 4111 1111 1111 1112, amex 378282246310006, other 9999 9999 9999 9995',
    'ssn 000-12-3456, 666-12-3456, 123-00-4567, 123-45-0000, 900-12-3456',
    'DE89370400440532013001, XX12 3456 7890',
    'DNI 12345678A, CF RSSMRA85T10A562X, CPF 111.111.111-11, ID 110105194912310021',
    'at @decorator, a@b, user@, @example.com, 10@20',
    'from 01-02-2024 10:30 to 01.02.2024, 192.168.100.200:8080, 12 34 56',
    '[4111, 1111, 1111, 1111] tokens 128000 context 1000000',
  ])('leaves %s as it is', (text) => {
    expect(all.mask(text)).toBe(text);
  });

  it('applies only the rules that are chosen', () => {
    const text = 'ann@example.com 4111111111111111';
    expect(new Masker(rulesOf(['card'])).mask(text)).toBe('ann@example.com [card]');
    expect(new Masker(rulesOf(['national_id'])).mask('078-05-1120 ann@example.com')).toBe(
      '[us_ssn] ann@example.com',
    );
  });

  it('counts what each rule masked', () => {
    const counts = new Map<string, number>();
    const masker = new Masker(rulesOf(['email', 'card']), (rule, n) =>
      counts.set(rule, (counts.get(rule) ?? 0) + n),
    );
    masker.mask('a@example.com b@example.com 4111111111111111');
    expect([...counts]).toEqual([
      ['email', 2],
      ['card', 1],
    ]);
  });

  it('finds a card number in any text around it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (before, after) => {
        const masked = all.mask(`${before} |4111 1111 1111 1111| ${after}`);
        expect(masked).not.toContain('1111 1111');
      }),
      runs,
    );
  });

  it('changes nothing outside of what it finds', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from('0123456789 -.@aé+()')), maxLength: 200 }),
        (text) => {
          const values = all.find(text);
          let last = 0;
          for (const { start, end } of values) {
            expect(start).toBeGreaterThanOrEqual(last);
            expect(end).toBeGreaterThan(start);
            last = end;
          }
          expect(last).toBeLessThanOrEqual(text.length);
        },
      ),
      runs,
    );
  });

  it.each([
    ['digits', '4'],
    ['digits and spaces', '4 '],
    ['groups of four', '4111 '],
    ['at signs', 'a@'],
    ['labels of a domain', 'a@b.c.'],
    ['a local part', 'a.b-c'],
    ['beginnings of an IBAN', 'DE89 '],
    ['zeros with a plus', '+0'],
    ['backslashes', '\\'],
    ['escapes', '%41\\u0031'],
  ])('takes time linear in a text of %s', (_, part) => {
    const timeOf = (count: number): number => {
      const text = `${part.repeat(count)} 1`;
      const times = Array.from({ length: 5 }, () => {
        const from = performance.now();
        all.mask(text);
        return performance.now() - from;
      });
      return Math.min(...times);
    };
    const short = timeOf(20_000);
    // Four times the text takes about four times as long; a quadratic rule would take 16 times.
    expect(timeOf(80_000)).toBeLessThan(11 * short + 30);
  });
});
