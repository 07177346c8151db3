// Decodes JSON as a gateway does, into structures that are made of the table of gateway types: types.go, which is
// written when the tests run. Asked on standard input: `ROOT LENGTH\n` and the text; answers a line for each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		var root string
		var length int
		if _, err := fmt.Fscanf(in, "%s %d\n", &root, &length); err != nil {
			return
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(in, text); err != nil {
			panic(err)
		}
		into, known := roots[strings.TrimPrefix(root, "list-of-")]
		if !known {
			panic("there is no root " + root)
		}
		if err := decode(text, into, strings.HasPrefix(root, "list-of-")); err != nil {
			fmt.Fprintf(out, "refused %q\n", err.Error())
		} else {
			fmt.Fprintln(out, "decoded")
		}
	}
}

func decode(text []byte, into func() any, list bool) error {
	if !list {
		return json.Unmarshal(text, into())
	}
	// Whole, as gateways do it: a reader of one element after the other would be another one.
	var elements []element
	elementType = into
	return json.Unmarshal(text, &elements)
}

var elementType func() any

type element struct{}

func (element) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func (*element) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, elementType()) }

// merged is one element of the list of APIs.
type merged struct {
	Definition *api `json:"api_definition"`
	OAS        *oas `json:"oas"`
}
