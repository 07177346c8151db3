/**
 * Whether values stand in values deeper than `depthMax` in this JSON text (UTF-8). A plain value has depth 0, `[1]`
 * has 1. Looked at by its bytes, before any parser builds a tree of it: the parser of the engine takes any depth,
 * and what is then done with the tree (writing it as text, walking it) runs out of stack.
 */
export function isDeeperThan(json: Buffer, depthMax: number): boolean {
  let depth = 0;
  for (let position = 0; position < json.length; position += 1) {
    switch (json[position]) {
      case quote:
        position = endOfString(json, position);
        break;
      case openBrace:
      case openBracket:
        depth += 1;
        if (depth > depthMax) return true;
        break;
      case closeBrace:
      case closeBracket:
        depth -= 1;
        break;
    }
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Position of the closing quote; the length of the text when there is none. */
function endOfString(json: Buffer, start: number): number {
  let position = start + 1;
  while (position < json.length) {
    const byte = json[position];
    if (byte === quote) return position;
    position += byte === backslash ? 2 : 1;
  }
  return json.length;
}
