import { toCausewayError } from '../../errors/causeway-error.js';
import type { GorpcAnswer } from './response-encoder.js';

/**
 * The text that makes a worker log in and repeat the call, without limit: it is for calls without a login and
 * for nothing else. Workers compare it exactly.
 */
export const accessDenied: GorpcAnswer = { kind: 'error', text: 'Access Denied' };

export const keyNotFound: GorpcAnswer = { kind: 'error', text: 'key not found' };

/** Of another organisation: whether it exists is not the worker's business. */
export const organisationNotFound: GorpcAnswer = { kind: 'error', text: 'organisation not found' };

/** What a worker reads of a failure. It understands no code; all it can do is log the text. */
export function errorAnswer(thrown: unknown): GorpcAnswer {
  const error = toCausewayError(thrown);
  if (error.code === 'NOT_FOUND') return keyNotFound;
  const text = error.message === 'Access Denied' ? 'refused' : error.message;
  return { kind: 'error', text };
}

export const done: GorpcAnswer = { kind: 'empty' };
export const yes: GorpcAnswer = { kind: 'bool', value: true };
export const no: GorpcAnswer = { kind: 'bool', value: false };
export const noStrings: GorpcAnswer = { kind: 'strings', value: [] };
