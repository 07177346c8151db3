/** What every line of the option table says, whatever its type. */
interface OptionBase {
  /** Where it stands in the file, in the file's spelling: `storage.host`. */
  readonly path: string;
  /** Environment names, the strongest first. The first one is shown; the others are old or second spellings. */
  readonly env: readonly string[];
  /** One or two sentences for the operator. */
  readonly help: string;
  /** Never shown: not by /config, not in a problem, not in a log. */
  readonly secret?: true;
  /** Old name: a value given here goes to the option of that path. */
  readonly deprecatedAliasOf?: string;
  /** Accepted for compatibility and without effect; the text says why. */
  readonly withoutEffect?: string;
  /**
   * Accepted, and not acted upon yet, so that data is kept, sent or lost otherwise than the option says. The text says
   * what happens instead.
   */
  readonly notYet?: string;
}

export interface IntegerOption extends OptionBase {
  readonly type: 'int' | 'int64' | 'uint' | 'uint16';
  readonly default: number;
  readonly unit?: 'seconds' | 'minutes' | 'bytes';
  readonly min: number;
  readonly max: number;
  /** The only values allowed, with what they mean. */
  readonly meanings?: Readonly<Record<number, string>>;
  /** In the field a zero in the file is the same as leaving the option out. */
  readonly zeroMeansDefault?: true;
}

export interface BoolOption extends OptionBase {
  readonly type: 'bool';
  readonly default: boolean;
}

export interface StringOption extends OptionBase {
  readonly type: 'string';
  readonly default: string;
}

/** One of a few words, in any case. An empty text is the same as leaving the option out. */
export interface EnumOption extends OptionBase {
  readonly type: 'enum';
  readonly default: string;
  readonly choices: readonly string[];
  /** Other spellings, in lower case, of the choices. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** What any other word means, with a warning. Without it another word is a problem. */
  readonly otherwise?: string;
  /** Words that must not be taken for the one above: they ask for something else that is not there. */
  readonly refused?: readonly string[];
}

export interface ListOption extends OptionBase {
  readonly type: 'string[]';
  readonly default: readonly string[];
  /** What an item has to look like. */
  readonly items?: 'host:port';
}

/** From host name to port. */
export interface MapOption extends OptionBase {
  readonly type: 'map';
  readonly default: Readonly<Record<string, string>>;
}

export type OptionEntry = IntegerOption | BoolOption | StringOption | EnumOption | ListOption | MapOption;

/** What the value of a table line is once it has been read. */
export type ValueOf<Entry> = Entry extends { type: 'int' | 'int64' | 'uint' | 'uint16' }
  ? number
  : Entry extends { type: 'bool' }
    ? boolean
    : Entry extends { type: 'string' }
      ? string
      : Entry extends { type: 'enum'; choices: readonly (infer Choice)[]; default: infer Default }
        ? Choice | Default
        : Entry extends { type: 'string[]' }
          ? readonly string[]
          : Entry extends { type: 'map' }
            ? Readonly<Record<string, string>>
            : never;

export type AnyValue = number | boolean | string | readonly string[] | Readonly<Record<string, string>>;
