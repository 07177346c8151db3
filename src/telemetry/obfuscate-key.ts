import type { Obfuscate } from '../ports/log.js';

const mask = '****';
const shownCharacters = 4;
/** Of a shorter key the last four characters would give away too much. */
const maskedWholeBelowCharacters = 8;

/** `enableKeyLogging` is the option `enable_key_logging`: keys are then shown whole. */
export function createObfuscate(enableKeyLogging: boolean): Obfuscate {
  if (enableKeyLogging) return (key) => key;
  return (key) => (key.length < maskedWholeBelowCharacters ? mask : mask + key.slice(-shownCharacters));
}
