import { isDeepStrictEqual } from 'node:util';
import { type Configuration, normalise } from './configuration.js';
import { crossCheck, settleDatabase } from './cross-checks.js';
import { collectFromEnvironment, type Environment } from './environment-candidates.js';
import { type ConfigurationFile, collectFromFile } from './file-candidates.js';
import type { Candidate, Origin, Problem, Warning } from './finding.js';
import type { AnyValue, OptionEntry } from './option-entry.js';
import { allOptions } from './option-index.js';
import { analyticsNotYet, type OptionPath, type OptionValues } from './option-table.js';
import { readValue } from './read-value.js';

export interface ConfigurationInput {
  readonly file?: ConfigurationFile | undefined;
  readonly env: Environment;
  /** From command line flags: stronger than everything. Text is read as in the environment. */
  readonly overrides?: Readonly<Partial<Record<OptionPath, unknown>>> | undefined;
  /** Weaker than everything that was given, stronger than the table. */
  readonly defaults?: Readonly<Partial<Record<OptionPath, unknown>>> | undefined;
  /** Names with our prefixes that some other part of the process reads: no warning for them. */
  readonly knownEnvironmentNames?: readonly string[] | undefined;
}

export interface ParsedConfiguration {
  /** Only to be used when there are no problems: what could not be read stands at its default. */
  readonly configuration: Configuration;
  /** The same by option path, in the file's spelling: what /config and /env show. */
  readonly values: OptionValues;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
  /** Where each option's value came from, old names included. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Set when the file is not JSON; also the first of `problems`. */
  readonly syntaxProblem: string | undefined;
}

/**
 * Flag over environment over file over default; within one of them a new name over its old ones. Every
 * value given is read, also one that a stronger one hides, so that all mistakes come to light at once.
 * Does no I/O and never throws for what an operator wrote.
 */
export function parseConfiguration(input: ConfigurationInput): ParsedConfiguration {
  const file = input.file === undefined ? undefined : collectFromFile(input.file);
  const environment = collectFromEnvironment(input.env, input.knownEnvironmentNames);
  const syntaxProblem = file?.syntaxProblem;
  const problems: Problem[] = syntaxProblem === undefined ? [] : [{ path: '', text: syntaxProblem }];
  problems.push(...(file?.problems ?? []));
  const warnings: Warning[] = [...(file?.warnings ?? []), ...environment.warnings];
  const origins = new Map<string, Origin>();
  const read = new Map<string, AnyValue>();
  const broken = new Set<string>();

  for (const option of allOptions) {
    if (option.deprecatedAliasOf !== undefined) continue;
    const oldOptions = allOptions.filter((other) => other.deprecatedAliasOf === option.path);
    let chosen: { candidate: Candidate; given: OptionEntry; value: AnyValue; fallback?: string } | undefined;
    const oldOnes: { candidate: Candidate; given: OptionEntry }[] = [];
    for (const { candidate, given } of candidatesOf(option, oldOptions)) {
      const result = readValue(given, candidate.source);
      if (result.kind === 'absent') continue;
      if (given !== option) oldOnes.push({ candidate, given });
      if (result.kind === 'problem') {
        broken.add(option.path);
        const { at, found, expected } = result;
        const text = `${given.path}${at}: found ${found}, expected ${expected} (${candidate.at})`;
        problems.push({ path: given.path, text });
      } else if (chosen === undefined) {
        chosen = { candidate, given, value: result.value };
        if (result.kind === 'fallback') chosen.fallback = result.text;
      }
    }
    const value =
      chosen?.value ??
      (input.defaults?.[option.path as OptionPath] as AnyValue | undefined) ??
      option.default;
    read.set(option.path, value);
    for (const name of [option, ...oldOptions]) origins.set(name.path, chosen?.candidate.origin ?? 'default');
    for (const old of oldOnes) warnings.push(oldNameWarning(option, old, chosen?.candidate));
    if (chosen?.fallback !== undefined) {
      const text = `${option.path}: ${chosen.fallback} (${chosen.candidate.at})`;
      warnings.push({ kind: 'fallback', path: option.path, text });
    }
    if (
      option.withoutEffect !== undefined &&
      chosen !== undefined &&
      !isDeepStrictEqual(value, option.default)
    ) {
      const text = `${option.path} is accepted and has no effect. ${option.withoutEffect} (${chosen.candidate.at})`;
      warnings.push({ kind: 'without-effect', path: option.path, text });
    }
    if (option.notYet !== undefined && chosen !== undefined && !isDeepStrictEqual(value, option.default)) {
      warnings.push({ kind: 'not-yet', path: option.path, text: option.notYet });
    }
  }

  // The table gave each value its type when it was read; only the key type is lost in the map.
  const found = Object.fromEntries(read) as unknown as OptionValues;
  const checks = crossCheck(found, origins, broken);
  const values = settleDatabase(found, origins);
  return {
    configuration: normalise(values),
    values,
    problems: [...problems, ...checks.problems],
    warnings: inOneList([...notYetOf(values), ...warnings, ...checks.warnings]),
    origins,
    syntaxProblem,
  };

  /** What was given for an option under any of its names, the strongest first. */
  function* candidatesOf(option: OptionEntry, oldOptions: readonly OptionEntry[]) {
    const names = [option, ...oldOptions];
    for (const given of names) {
      const override = input.overrides?.[given.path as OptionPath];
      if (override === undefined) continue;
      const source = typeof override === 'string' ? { text: override } : { json: override };
      yield { given, candidate: { origin: 'flag', at: 'command line', source } satisfies Candidate };
    }
    for (const given of names) {
      for (const name of given.env) {
        const candidate = environment.candidates.get(name);
        if (candidate !== undefined) yield { given, candidate };
      }
    }
    for (const given of names) {
      const candidate = file?.candidates.get(given.path);
      if (candidate !== undefined) yield { given, candidate };
    }
  }
}

/** What a value means that is no mistake in itself. */
function notYetOf(values: OptionValues): readonly Warning[] {
  if (values['analytics.type'] === 'embedded') return [];
  const text = `analytics.type takes effect for the catalog only. ${analyticsNotYet}`;
  return [{ kind: 'not-yet', path: 'analytics.type', text }];
}

/** First, in one list, what loses or redirects data: options with the same fate share a line. */
function inOneList(warnings: readonly Warning[]): readonly Warning[] {
  const byFate = new Map<string, string[]>();
  const whole: Warning[] = [];
  for (const warning of warnings) {
    const { kind, path, text } = warning;
    if (kind !== 'not-yet') continue;
    // What begins with its option is a sentence already.
    if (text.startsWith(path)) whole.push(warning);
    else byFate.set(text, [...(byFate.get(text) ?? []), path]);
  }
  const notYet = [...byFate].map(([fate, paths]): Warning => {
    const does = paths.length === 1 ? 'does' : 'do';
    return {
      kind: 'not-yet',
      path: paths[0] ?? '',
      text: `${paths.join(', ')} ${does} not take effect yet. ${fate}`,
    };
  });
  return [...whole, ...notYet, ...warnings.filter(({ kind }) => kind !== 'not-yet')];
}

function oldNameWarning(
  option: OptionEntry,
  old: { readonly candidate: Candidate; readonly given: OptionEntry },
  chosen: Candidate | undefined,
): Warning {
  const { path } = old.given;
  const ignored =
    chosen === undefined || chosen === old.candidate
      ? ''
      : `, which is set too (${chosen.at}), so that it is ignored`;
  const advice = ignored === '' ? '; please use the new one' : '';
  const text = `${path} is the old name of ${option.path}${ignored}${advice} (${old.candidate.at})`;
  return { kind: 'old-name', path, text };
}
