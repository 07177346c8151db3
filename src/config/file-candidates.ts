import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { type Candidate, type Problem, quote, type Warning } from './finding.js';
import { nearestName } from './nearest-name.js';
import type { OptionEntry } from './option-entry.js';
import { allOptions, isSection, joinPath, optionByPath, rootSection, type Section } from './option-index.js';

export interface ConfigurationFile {
  /** As the operator wrote it; it appears in messages. */
  readonly path: string;
  readonly text: string;
}

export interface FileCandidates {
  /** By option path, old names included. */
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
  /** Set when the text is not JSON at all; nothing else is known then. */
  readonly syntaxProblem: string | undefined;
}

/** A key that one published sample file carries instead of `security`: a link of its manual gone wrong. */
const misprintedSections: ReadonlyMap<string, string> = new Map([
  ['basic-config-and-security/security', 'security'],
]);

/** Finds the options in a configuration file. Their values are not read yet. */
export function collectFromFile(file: ConfigurationFile): FileCandidates {
  const text = file.text.startsWith('\uFEFF') ? file.text.slice(1) : file.text;
  const broken = (why: string): FileCandidates => ({
    candidates: new Map(),
    problems: [],
    warnings: [],
    syntaxProblem: `${file.path}: not JSON: ${why}`,
  });
  if (text.trim() === '') return broken('the file is empty');
  const errors: ParseError[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
  } catch (thrown) {
    // The parser descends by recursion.
    if (thrown instanceof RangeError) return broken('brackets are nested too deeply');
    throw thrown;
  }
  const [first] = errors;
  if (first !== undefined) {
    const place = `line ${lineAt(text, first.offset)}, column ${columnAt(text, first.offset)}`;
    return broken(`${explainSyntax(first)} at ${place}`);
  }
  if (root === undefined) return broken('there is no value');
  const walk = new FileWalk(file.path, text);
  walk.section(rootSection, root);
  const { candidates, problems, warnings } = walk;
  return { candidates, problems, warnings, syntaxProblem: undefined };
}

class FileWalk {
  readonly candidates = new Map<string, Candidate>();
  readonly problems: Problem[] = [];
  readonly warnings: Warning[] = [];
  readonly #filePath: string;
  readonly #text: string;

  constructor(filePath: string, text: string) {
    this.#filePath = filePath;
    this.#text = text;
  }

  section(section: Section, node: Node): void {
    if (node.type === 'null') return;
    if (node.type !== 'object') {
      const name = section.path === '' ? 'the file' : section.path;
      const found = node.type === 'array' ? 'a list' : `a ${node.type}`;
      const expected = 'an object, for example {}';
      this.problems.push({
        path: section.path,
        text: `${name}: found ${found}, expected ${expected} (${this.#at(node)})`,
      });
      return;
    }
    for (const property of node.children ?? []) {
      const { key, child, exact, value } = this.#resolve(section, property);
      if (value === undefined) continue;
      const path = joinPath(section.path, key);
      if (child === undefined) {
        this.#unknown(section, key, value);
        continue;
      }
      const at = this.#at(value);
      if (!exact) {
        const text = `${quote(path)} is read as ${child.path} (${at})`;
        this.warnings.push({ kind: 'unknown-name', path, text });
      }
      if (isSection(child)) this.section(child, value);
      else if (value.type !== 'null') this.#option(child, value, at);
    }
  }

  #option(option: OptionEntry, value: Node, at: string): void {
    if (this.candidates.has(option.path)) {
      const text = `${option.path} appears more than once; the one at ${at} is used`;
      this.warnings.push({ kind: 'repeated', path: option.path, text });
    }
    this.candidates.set(option.path, {
      origin: 'file',
      at,
      source: { json: getNodeValue(value) as unknown },
    });
  }

  /** The option or section a property means. As in Go, case does not matter and the last one wins. */
  #resolve(section: Section, property: Node) {
    const key = String(property.children?.[0]?.value ?? '');
    const value = property.children?.[1];
    const known = section.children.get(key);
    if (known !== undefined) return { key, value, child: known, exact: true };
    const misprinted = section.path === '' ? misprintedSections.get(key) : undefined;
    const lower = key.toLowerCase();
    const meant =
      misprinted ?? [...section.children.keys()].find((candidate) => candidate.toLowerCase() === lower);
    return { key, value, child: meant === undefined ? undefined : section.children.get(meant), exact: false };
  }

  #unknown(section: Section, key: string, value: Node): void {
    const path = joinPath(section.path, key);
    const nearest = nearestOption(section, key, path);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    const text = `${quote(path)} is not an option and is ignored${hint} (${this.#at(value)})`;
    this.warnings.push({ kind: 'unknown-name', path, text });
  }

  #at(node: Node): string {
    return `${this.#filePath}:${lineAt(this.#text, node.offset)}`;
  }
}

/** First a sibling, then the same name in another section, then anything alike. */
function nearestOption(section: Section, key: string, path: string): string | undefined {
  const sibling = nearestName(key, section.children.keys());
  if (sibling !== undefined) return joinPath(section.path, sibling);
  const current = allOptions.filter((option) => option.deprecatedAliasOf === undefined);
  const elsewhere = current.find((option) => lastName(option) === key);
  if (elsewhere !== undefined) return elsewhere.path;
  if (optionByPath.has(key)) return `${key} with an object for each part of its name`;
  return nearestName(
    path,
    current.map((option) => option.path),
  );
}

function lastName(option: OptionEntry): string {
  return option.path.slice(option.path.lastIndexOf('.') + 1);
}

/** `InvalidCommentToken` as words. The text of the file is left out: it may be a secret. */
function explainSyntax(error: ParseError): string {
  const words = printParseErrorCode(error.error)
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
  return words
    .replace(/ (token|symbol)$/, '')
    .replace(/^property name expected$/, 'property name or closing brace expected');
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function columnAt(text: string, offset: number): number {
  return offset - text.lastIndexOf('\n', offset - 1);
}
