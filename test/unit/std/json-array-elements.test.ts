import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonArrayElements } from '../../../src/std/json-array-elements.js';

function cut(text: string): { readonly elements: string[]; readonly complete: boolean } {
  const elements: string[] = [];
  const iterator = jsonArrayElements(Buffer.from(text));
  let next = iterator.next();
  for (; next.done !== true; next = iterator.next()) elements.push(next.value.toString('utf8').trim());
  return { elements, complete: next.value };
}

describe('jsonArrayElements', () => {
  it('gives back the elements of any array', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (values, indent) => {
        const { elements, complete } = cut(JSON.stringify(values, null, indent));
        expect(complete).toBe(true);
        expect(elements.map((one) => JSON.parse(one))).toEqual(JSON.parse(JSON.stringify(values)));
      }),
    );
  });

  it('never says complete for a text that was cut off', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(), (values, at) => {
        const text = JSON.stringify(values);
        expect(cut(text.slice(0, at % text.length)).complete).toBe(false);
      }),
    );
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        cut(`[${text}`);
        cut(text);
      }),
    );
  });

  it('passes on elements that are not JSON', () => {
    expect(cut('[{]},"a\\"]",]')).toEqual({ elements: ['{]}', '"a\\"]"'], complete: false });
    expect(cut('[1]x')).toEqual({ elements: ['1'], complete: false });
  });
});

it('the pauses change nothing about the elements, wherever they fall', () => {
  const texts = [
    '[]',
    ' [ ] ',
    '[1,"a\\\\\\"],[",{"x":[1,2,{"y":"}"}]}, null ]  ',
    '["unfinished',
    '[1,"x\\',
    '[1] 2',
    '[[1,[2,3]],"\\u00e9"]',
  ];
  for (const text of texts) {
    const whole = walk(jsonArrayElements(Buffer.from(text)));
    for (let pause = 1; pause <= text.length; pause += 1) {
      expect(walk(jsonArrayElements(Buffer.from(text), pause))).toEqual(whole);
    }
  }
});

function walk(elements: Generator<Buffer | undefined, boolean>): { found: string[]; complete: boolean } {
  const found: string[] = [];
  for (;;) {
    const next = elements.next();
    if (next.done === true) return { found, complete: next.value };
    if (next.value !== undefined) found.push(next.value.toString());
  }
}
