import type { JsonFrameEncoder } from './json-frame-encoder.js';
import type { World } from './world.js';

/** Fewer than the hub keeps of anything it has encoded. */
const window = 5;

/**
 * One encoding per view, range and codec, however many workers receive it. The text does not say for which
 * view it was made, so that equal texts may come as often as there are views; what was encoded long ago may
 * have been forgotten.
 */
export function checkEncodings(world: World, encoder: JsonFrameEncoder, views: number): void {
  const { encoded } = encoder;
  for (const [index, text] of encoded.entries()) {
    const recent = encoded.slice(Math.max(0, index - window), index + 1);
    const times = recent.filter((one) => one === text).length;
    if (times > views) world.violation(`encoded ${times} times: ${text.slice(0, 200)}`);
  }
}
