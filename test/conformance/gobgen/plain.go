package main

import (
	"encoding"
	"encoding/base64"
	"encoding/gob"
	"math"
	"reflect"
	"sort"
	"strconv"
	"unicode/utf8"
)

// names of registered types, as they go over the wire.
var names = map[reflect.Type]string{}

func register(name string, value any) {
	gob.RegisterName(name, value)
	names[base(reflect.TypeOf(value))] = name
}

func base(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

var (
	gobEncoderType      = reflect.TypeOf((*gob.GobEncoder)(nil)).Elem()
	binaryMarshalerType = reflect.TypeOf((*encoding.BinaryMarshaler)(nil)).Elem()
)

// plain is a value as gob sends it: structs are objects without the fields that gob leaves out, and what JSON
// has no form for is tagged: {"bytes"}, {"rawString"}, {"integer"}, {"float"}, {"complex"}, {"map"}. An
// interface is {"typeName", "value"}.
func plain(v reflect.Value) any {
	if bytes, ok := marshalled(v); ok {
		return map[string]any{"bytes": base64.StdEncoding.EncodeToString(bytes)}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return plain(v.Elem())
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); n > 1<<53-1 || n < -(1<<53-1) {
			return map[string]any{"integer": strconv.FormatInt(n, 10)}
		}
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if n := v.Uint(); n > 1<<53-1 {
			return map[string]any{"integer": strconv.FormatUint(n, 10)}
		}
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return plainFloat(v.Float())
	case reflect.Complex64, reflect.Complex128:
		c := v.Complex()
		return map[string]any{"complex": []any{plainFloat(real(c)), plainFloat(imag(c))}}
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return map[string]any{"rawString": base64.StdEncoding.EncodeToString([]byte(v.String()))}
		}
		return v.String()
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return map[string]any{"bytes": base64.StdEncoding.EncodeToString(v.Bytes())}
		}
		items := make([]any, v.Len())
		for i := range items {
			items[i] = plain(v.Index(i))
		}
		return items
	case reflect.Map:
		entries := make([][2]any, 0, v.Len())
		for _, key := range sorted(v.MapKeys()) {
			entries = append(entries, [2]any{plain(key), plain(v.MapIndex(key))})
		}
		return map[string]any{"map": entries}
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return map[string]any{"typeName": names[base(v.Elem().Type())], "value": plain(v.Elem())}
	case reflect.Struct:
		fields := map[string]any{}
		for i := 0; i < v.NumField(); i++ {
			if field := v.Type().Field(i); field.IsExported() && sendable(field.Type) && !leftOut(v.Field(i)) {
				fields[field.Name] = plain(v.Field(i))
			}
		}
		return fields
	}
	panic("no gob form: " + v.Type().String())
}

func plainFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return map[string]any{"float": "NaN"}
	case math.IsInf(f, 1):
		return map[string]any{"float": "Infinity"}
	case math.IsInf(f, -1):
		return map[string]any{"float": "-Infinity"}
	}
	return f
}

func sendable(t reflect.Type) bool {
	return base(t).Kind() != reflect.Chan && base(t).Kind() != reflect.Func
}

func leftOut(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return true
		}
		v = v.Elem()
	}
	if v.Type().Implements(gobEncoderType) || v.Type().Implements(binaryMarshalerType) {
		return v.IsZero()
	}
	switch v.Kind() {
	case reflect.Array, reflect.Struct:
		return false
	case reflect.Slice:
		return v.Len() == 0
	case reflect.Float32, reflect.Float64:
		return v.Float() == 0
	case reflect.Complex64, reflect.Complex128:
		return v.Complex() == 0
	}
	return v.IsZero()
}

// marshalled is what a type makes of itself when gob leaves that to it.
func marshalled(v reflect.Value) ([]byte, bool) {
	if v.Kind() == reflect.Interface || !v.CanInterface() {
		return nil, false
	}
	if v.Kind() != reflect.Pointer && !v.Type().Implements(gobEncoderType) &&
		reflect.PointerTo(v.Type()).Implements(gobEncoderType) {
		pointer := reflect.New(v.Type())
		pointer.Elem().Set(v)
		v = pointer
	}
	var bytes []byte
	var err error
	switch value := v.Interface().(type) {
	case gob.GobEncoder:
		bytes, err = value.GobEncode()
	case encoding.BinaryMarshaler:
		bytes, err = value.MarshalBinary()
	default:
		return nil, false
	}
	if err != nil {
		panic(err)
	}
	return bytes, true
}

func sorted(keys []reflect.Value) []reflect.Value {
	sort.Slice(keys, func(i, j int) bool { return text(keys[i]) < text(keys[j]) })
	return keys
}
