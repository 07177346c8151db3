import { Location, Function as PprofFunction, Profile, Sample, StringTable, ValueType } from 'pprof-format';

/** What a Node profile has for pprof (github.com/google/pprof, proto/profile.proto). */
export interface PprofProfile {
  readonly sampleTypes: readonly PprofValueType[];
  readonly samples: readonly PprofSample[];
  readonly periodType: PprofValueType;
  readonly period: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export interface PprofValueType {
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
export function encodePprof(profile: PprofProfile): Uint8Array {
  const stringTable = new StringTable();
  const valueType = ({ type, unit }: PprofValueType) =>
    new ValueType({ type: stringTable.dedup(type), unit: stringTable.dedup(unit) });
  const functions = new Map<string, PprofFunction>();
  const functionOf = ({ functionName, url, lineNumber }: CallFrame): PprofFunction => {
    const key = `${url}\0${functionName}\0${lineNumber}`;
    const known = functions.get(key);
    if (known !== undefined) return known;
    const name = stringTable.dedup(functionName === '' ? '(anonymous)' : functionName);
    const made = new PprofFunction({
      id: functions.size + 1,
      name,
      systemName: name,
      filename: stringTable.dedup(url),
      startLine: Math.max(0, lineNumber + 1),
    });
    functions.set(key, made);
    return made;
  };
  const sampleType = profile.sampleTypes.map(valueType);
  // One location per function, of the same id: V8 gives no line of the call itself.
  const sample = profile.samples.map(
    ({ stack, values }) =>
      new Sample({ locationId: stack.map((frame) => functionOf(frame).id), value: [...values] }),
  );
  return new Profile({
    stringTable,
    sampleType,
    sample,
    function: [...functions.values()],
    location: [...functions.values()].map(
      ({ id, startLine }) => new Location({ id, line: [{ functionId: id, line: startLine }] }),
    ),
    timeNanos: BigInt(Math.round(profile.startedAtMs)) * nanosecondsPerMillisecond,
    durationNanos: BigInt(Math.round(profile.durationMs)) * nanosecondsPerMillisecond,
    periodType: valueType(profile.periodType),
    period: profile.period,
  }).encode();
}
