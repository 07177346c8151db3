/**
 * The part of pprof's profile.proto that a Node profile needs (github.com/google/pprof, proto/profile.proto):
 *
 *   Profile    1 sample_type*  2 sample*  4 location*  5 function*  6 string_table*  9 time_nanos
 *              10 duration_nanos  11 period_type  12 period
 *   ValueType  1 type  2 unit                                    (indexes into the string table)
 *   Sample     1 location_id, packed, leaf first  2 value, packed
 *   Location   1 id  4 line*
 *   Line       1 function_id  2 line
 *   Function   1 id  2 name  3 system_name  4 filename  5 start_line
 *
 * Every number here is a varint. String 0 is the empty one; ids count from 1.
 */
export interface PprofProfile {
  readonly sampleTypes: readonly ValueType[];
  readonly samples: readonly PprofSample[];
  readonly periodType: ValueType;
  readonly period: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export interface ValueType {
  readonly type: string;
  readonly unit: string;
}

export interface PprofSample {
  /** The leaf first. */
  readonly stack: readonly CallFrame[];
  /** One for each sample type; whole numbers. */
  readonly values: readonly number[];
}

export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** Of the function, counted from 0 as V8 does; negative: unknown. */
  readonly lineNumber: number;
}

const nanosecondsPerMillisecond = 1_000_000n;

/** Without the gzip around it that pprof expects of a file. */
export function encodePprof(profile: PprofProfile): Buffer {
  const strings = new Indexed();
  strings.indexOf('');
  const functions = new Map<string, { readonly id: number; readonly frame: CallFrame }>();
  const functionId = (frame: CallFrame): number => {
    const key = `${frame.url}\0${frame.functionName}\0${frame.lineNumber}`;
    let found = functions.get(key);
    if (found === undefined) {
      found = { id: functions.size + 1, frame };
      functions.set(key, found);
    }
    return found.id;
  };
  const valueType = ({ type, unit }: ValueType): Buffer =>
    Buffer.concat([number(1, strings.indexOf(type)), number(2, strings.indexOf(unit))]);

  const parts: Buffer[] = profile.sampleTypes.map((type) => message(1, valueType(type)));
  for (const { stack, values } of profile.samples) {
    // One location per function: V8 gives no line of the call itself.
    const locations = packed(1, stack.map(functionId));
    parts.push(message(2, Buffer.concat([locations, packed(2, values)])));
  }
  for (const { id, frame } of functions.values()) {
    const line = Math.max(0, frame.lineNumber + 1);
    const name = strings.indexOf(frame.functionName === '' ? '(anonymous)' : frame.functionName);
    const file = strings.indexOf(frame.url);
    parts.push(message(4, Buffer.concat([number(1, id), message(4, [number(1, id), number(2, line)])])));
    parts.push(
      message(5, [number(1, id), number(2, name), number(3, name), number(4, file), number(5, line)]),
    );
  }
  parts.push(
    number(9, BigInt(Math.round(profile.startedAtMs)) * nanosecondsPerMillisecond),
    number(10, BigInt(Math.round(profile.durationMs)) * nanosecondsPerMillisecond),
    message(11, valueType(profile.periodType)),
    number(12, profile.period),
  );
  for (const text of strings.values()) parts.push(message(6, Buffer.from(text)));
  return Buffer.concat(parts);
}

/** Texts by the order in which they were first asked for. */
class Indexed {
  readonly #indexes = new Map<string, number>();

  indexOf(text: string): number {
    const known = this.#indexes.get(text);
    if (known !== undefined) return known;
    this.#indexes.set(text, this.#indexes.size);
    return this.#indexes.size - 1;
  }

  values(): IterableIterator<string> {
    return this.#indexes.keys();
  }
}

function number(field: number, value: number | bigint): Buffer {
  return Buffer.from([...varint(field << 3), ...varint(value)]);
}

function message(field: number, content: Buffer | readonly Buffer[]): Buffer {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.concat(content);
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(bytes.length)]), bytes]);
}

function packed(field: number, values: readonly number[]): Buffer {
  return message(field, Buffer.from(values.flatMap((value) => varint(value))));
}

function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}
