const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;

/** Writes JSON as bytes, and knows where commas belong. What is given as bytes must be UTF-8. */
export class JsonWriter {
  #bytes: Buffer;
  #length = 0;
  /** Nothing stands in the innermost object or list yet, or a name was just written. */
  #first = true;

  constructor(sizeHint: number) {
    this.#bytes = Buffer.allocUnsafeSlow(sizeHint);
  }

  open(bracket: '{' | '['): void {
    this.raw(bracket);
    this.#first = true;
  }

  close(bracket: '}' | ']'): void {
    this.raw(bracket);
    this.#first = false;
  }

  /** Before each item of a list. */
  item(): void {
    if (!this.#first) this.#byte(comma);
    this.#first = false;
  }

  name(source: Buffer, start: number, end: number): void {
    this.item();
    this.quoted(source, start, end);
    this.#byte(colon);
  }

  nameText(name: string): void {
    this.item();
    this.text(name);
    this.#byte(colon);
  }

  text(text: string): void {
    this.raw(JSON.stringify(text));
  }

  raw(json: string): void {
    // No character takes more than three bytes for each of its UTF-16 units.
    this.#reserve(json.length * 3);
    this.#length += this.#bytes.write(json, this.#length, 'utf8');
  }

  /** A string from its UTF-8 bytes. */
  quoted(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start + 2);
    this.#byte(quote);
    let from = start;
    for (let at = start; at < end; at++) {
      const byte = source[at] as number;
      if (byte >= 0x20 && byte !== quote && byte !== backslash) continue;
      this.#copy(source, from, at);
      this.raw(JSON.stringify(String.fromCharCode(byte)).slice(1, -1));
      from = at + 1;
    }
    this.#copy(source, from, end);
    this.#byte(quote);
  }

  /** The text, in memory of its own size. Nothing may be written after it. */
  finish(): Buffer {
    const text = Buffer.allocUnsafeSlow(this.#length);
    this.#bytes.copy(text, 0, 0, this.#length);
    return text;
  }

  #copy(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    source.copy(this.#bytes, this.#length, start, end);
    this.#length += end - start;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow((this.#length + size) * 2);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
