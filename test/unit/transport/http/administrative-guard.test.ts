import { describe, expect, it } from 'vitest';
import { createGuard } from '../../../../src/transport/http/administrative-guard.js';

describe('administrative guard', () => {
  const opens = createGuard('open sesame');

  it('opens to the secret only', () => {
    expect(opens('open sesame')).toBe(true);
    for (const wrong of [undefined, '', 'open sesam', 'open sesame ', 'Open sesame', ['open sesame']]) {
      expect(opens(wrong)).toBe(false);
    }
  });

  it('with an empty secret opens to nobody', () => {
    for (const header of [undefined, '', ' ', 'x']) expect(createGuard('')(header)).toBe(false);
  });
});
