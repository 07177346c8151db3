/**
 * Names of structures, and the fields of each with what they hold:
 *
 *   string  bool  any  int int8..int64  uint uint8..uint64  float32 float64      as in Go; `int` has 64 bits
 *   list of X    map of string to X    map of int to X    struct:NAME    bytes   a list of bytes is base64
 *   time         RFC 3339, as Go's time.Time takes it
 *   duration     text in Go's quoting, such as 5m; no number and no null
 *   object id    24 hexadecimal digits, or an empty text
 *   raw          any JSON, not looked into
 *   event handler              the structure of that name, and what its `type` asks for besides
 *   reference:NAME             an object with a `$ref`, of which nothing else is looked at, or the structure
 *   callback                   the same with an extensible map of path items
 *   bool or reference:NAME
 *   one or list of string
 *   strict map of X            a map that is read whole first: no number in it may be too large for 64 bits
 *   extensible map of X        the same, where names that begin with `x-` are anything
 *   extension, extension:NAME  an object or null, whatever stands in it, or the structure: a gateway ends at others
 *
 * null is taken anywhere, but for a duration.
 */
export type GatewayTypeTable = Readonly<Record<string, Readonly<Record<string, string>>>>;
