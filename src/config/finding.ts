/** Something that keeps the hub from starting. Its text carries no secret. */
export interface Problem {
  /** Option path; empty when it concerns the file as a whole. */
  readonly path: string;
  /** `path: found …, expected … (where)`. */
  readonly text: string;
}

/** Something the operator should know once. Its text carries no secret. */
export interface Warning {
  readonly kind:
    | 'not-yet'
    | 'unknown-name'
    | 'old-name'
    | 'without-effect'
    | 'fallback'
    | 'conflict'
    | 'repeated'
    | 'placeholder'
    /** Does not seem to fit what a store holds. */
    | 'doubted';
  /** Option path, or the unknown name. */
  readonly path: string;
  readonly text: string;
}

/** Where a value came from. */
export type Origin = 'default' | 'file' | 'flag' | `env ${string}`;

/** A value before it is read. `at` tells the operator where it stands. */
export interface Candidate {
  readonly origin: Origin;
  readonly at: string;
  /** `text`: from the environment or a flag; `json`: a value of the file. */
  readonly source: { readonly text: string } | { readonly json: unknown };
}

const shownCharactersMax = 80;

/** A name or value inside a message: quoted, without control characters, not endless. */
export function quote(text: string): string {
  const short = text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
  return JSON.stringify(short);
}
