package main

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
)

// A testCase is the values that one encoder is given, one after another.
type testCase struct {
	name   string
	values []any
}

type emitted struct {
	Name string `json:"name"`
	// One for each value: what the encoder wrote for it.
	Hex      []string `json:"hex"`
	Expected []any    `json:"expected"`
}

func emit(lines *json.Encoder, item testCase) error {
	line := emitted{Name: item.name}
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for _, value := range item.values {
		stream.Reset()
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("%s: %w", item.name, err)
		}
		line.Hex = append(line.Hex, hex.EncodeToString(stream.Bytes()))
		line.Expected = append(line.Expected, plain(reflect.ValueOf(value)))
	}
	return lines.Encode(line)
}
