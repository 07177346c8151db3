package main

import (
	"bytes"
	"compress/flate"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
)

func text(v reflect.Value) string {
	encoded, err := json.Marshal(plain(v))
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// A schema is a type, for Go to decode into.
type schema struct {
	Kind    string   `json:"kind"`
	Element *schema  `json:"element"`
	Key     *schema  `json:"key"`
	Length  int      `json:"length"`
	Fields  []member `json:"fields"`
}

type member struct {
	Name string `json:"name"`
	Type schema `json:"type"`
}

type toCheck struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
	// The hex is one deflate stream without an end, as on a worker's connection.
	Deflated bool `json:"deflated"`
	// The values in the stream, all of this type.
	Type  schema `json:"type"`
	Count int    `json:"count"`
	// What interfaces in them may hold. Names must be used once in the whole run.
	Register []member `json:"register"`
}

type checked struct {
	Name   string `json:"name"`
	Values []any  `json:"values"`
	Error  string `json:"error,omitempty"`
}

func check(in io.Reader, lines *json.Encoder) error {
	items := json.NewDecoder(in)
	for {
		var item toCheck
		if err := items.Decode(&item); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		line := checked{Name: item.Name}
		if err := decode(item, &line); err != nil {
			line.Error = err.Error()
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
}

func decode(item toCheck, line *checked) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	for _, entry := range item.Register {
		register(entry.Name, reflect.Zero(typeOf(entry.Type)).Interface())
	}
	stream, err := hex.DecodeString(item.Hex)
	if err != nil {
		return err
	}
	var source io.Reader = bytes.NewReader(stream)
	if item.Deflated {
		source = flate.NewReader(source)
	}
	decoder := gob.NewDecoder(source)
	for index := 0; index < item.Count; index++ {
		value := reflect.New(typeOf(item.Type))
		if err := decoder.DecodeValue(value); err != nil {
			return err
		}
		line.Values = append(line.Values, plain(value.Elem()))
	}
	end := io.EOF
	if item.Deflated {
		end = io.ErrUnexpectedEOF
	}
	if err := decoder.DecodeValue(reflect.Value{}); err != end {
		return fmt.Errorf("after the last value: %v", err)
	}
	return nil
}

var basicTypes = map[string]reflect.Type{
	"bool":      reflect.TypeOf(false),
	"int":       reflect.TypeOf(int64(0)),
	"uint":      reflect.TypeOf(uint64(0)),
	"float":     reflect.TypeOf(float64(0)),
	"complex":   reflect.TypeOf(complex128(0)),
	"string":    reflect.TypeOf(""),
	"bytes":     reflect.TypeOf([]byte(nil)),
	"interface": reflect.TypeOf((*any)(nil)).Elem(),
}

func typeOf(s schema) reflect.Type {
	if t, ok := basicTypes[s.Kind]; ok {
		return t
	}
	switch s.Kind {
	case "slice":
		return reflect.SliceOf(typeOf(*s.Element))
	case "array":
		return reflect.ArrayOf(s.Length, typeOf(*s.Element))
	case "map":
		return reflect.MapOf(typeOf(*s.Key), typeOf(*s.Element))
	case "struct":
		fields := make([]reflect.StructField, len(s.Fields))
		for i, field := range s.Fields {
			fields[i] = reflect.StructField{Name: field.Name, Type: typeOf(field.Type)}
		}
		return reflect.StructOf(fields)
	}
	panic("no such kind: " + s.Kind)
}
