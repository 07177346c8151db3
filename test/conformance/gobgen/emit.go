package main

import (
	"bytes"
	"compress/flate"
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
	Hex []string `json:"hex"`
	// The same, in one deflate stream as a gateway writes it: at best speed, flushed after each value.
	Deflated []string `json:"deflated"`
	Expected []any    `json:"expected"`
}

func emit(lines *json.Encoder, item testCase) error {
	line := emitted{Name: item.name}
	var stream, wire bytes.Buffer
	deflater, err := flate.NewWriter(&wire, flate.BestSpeed)
	if err != nil {
		return err
	}
	encoder := gob.NewEncoder(&stream)
	for _, value := range item.values {
		stream.Reset()
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("%s: %w", item.name, err)
		}
		line.Hex = append(line.Hex, hex.EncodeToString(stream.Bytes()))
		wire.Reset()
		if _, err := deflater.Write(stream.Bytes()); err != nil {
			return err
		}
		if err := deflater.Flush(); err != nil {
			return err
		}
		line.Deflated = append(line.Deflated, hex.EncodeToString(wire.Bytes()))
		line.Expected = append(line.Expected, plain(reflect.ValueOf(value)))
	}
	return lines.Encode(line)
}
