/**
 * Why a row that is in order is no business of any worker. A control plane in the best of health has such rows, so they
 * are no errors: an alarm that nobody can clear is none.
 */
export const leftOutReasons = [
  /** Its `deleted_at` is set. */
  'deleted',
  /** A user who has no key cannot be a worker. */
  'no key',
  /** It names no organisation, and workers get what their organisation owns: administrators of all, drafts. */
  'no organisation',
  /** Its organisation was deleted. */
  'organisation unknown',
  /** It names nothing that a gateway could serve: a draft, or a row of another kind. */
  'no id',
] as const;
export type LeftOutReason = (typeof leftOutReasons)[number];
