/**
 * How much a JSON text holds, without parsing it: at most so many values at a depth of at most so much. A
 * parser makes an object of each, so a few megabytes of brackets are seconds of work. Nothing is checked.
 */
export function jsonExceeds(
  json: Buffer,
  bounds: { readonly values: number; readonly depth: number },
): boolean {
  let values = 1;
  let depth = 0;
  for (let position = 0; position < json.length; position += 1) {
    switch (json[position]) {
      case 0x22: // "
        position += 1;
        while (position < json.length && json[position] !== 0x22) position += json[position] === 0x5c ? 2 : 1;
        break;
      case 0x2c: // ,
        values += 1;
        if (values > bounds.values) return true;
        break;
      case 0x5b: // [
      case 0x7b: // {
        values += 1;
        depth += 1;
        if (depth > bounds.depth || values > bounds.values) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
    }
  }
  return false;
}
