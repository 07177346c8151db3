package main

import (
	"fmt"
	"math"
	"math/rand"
	"reflect"
)

// Types that random interface values may hold.
var concreteTypes = []reflect.Type{
	reflect.TypeOf(int8(0)),
	reflect.TypeOf(uint16(0)),
	reflect.TypeOf(float32(0)),
	reflect.TypeOf(""),
	reflect.TypeOf([]byte(nil)),
	reflect.TypeOf(false),
	reflect.TypeOf([]string(nil)),
	reflect.TypeOf(map[string]int64(nil)),
	reflect.TypeOf([2]uint8{}),
	reflect.TypeOf(point{}),
	reflect.TypeOf(shelf{}),
	reflect.TypeOf(labelled{}),
}

func randomCase(seed int64, index int) testCase {
	r := rand.New(rand.NewSource(seed*1_000_003 + int64(index)))
	item := testCase{name: fmt.Sprintf("random %d/%d", seed, index)}
	t := randomStruct(r, 4)
	for count := 1 + r.Intn(3); count > 0; count-- {
		item.values = append(item.values, randomValue(r, t, 4).Interface())
	}
	return item
}

func randomStruct(r *rand.Rand, depth int) reflect.Type {
	fields := make([]reflect.StructField, 1+r.Intn(5))
	for i := range fields {
		fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: randomType(r, depth-1)}
	}
	return reflect.StructOf(fields)
}

func randomType(r *rand.Rand, depth int) reflect.Type {
	basics := []any{
		false, int(0), int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0),
		uintptr(0), float32(0), float64(0), complex64(0), complex128(0), "", []byte(nil),
	}
	kinds := len(basics) + 14
	if depth <= 0 {
		kinds = len(basics)
	}
	switch choice := r.Intn(kinds); {
	case choice < len(basics):
		return reflect.TypeOf(basics[choice])
	case choice < len(basics)+3:
		return reflect.SliceOf(randomType(r, depth-1))
	case choice < len(basics)+5:
		return reflect.ArrayOf(r.Intn(4), randomType(r, depth-1))
	case choice < len(basics)+7:
		keys := []any{"", int(0), uint8(0), float64(0), [2]int8{}, point{}}
		return reflect.MapOf(reflect.TypeOf(keys[r.Intn(len(keys))]), randomType(r, depth-1))
	case choice < len(basics)+9:
		return reflect.PointerTo(randomType(r, depth-1))
	case choice < len(basics)+11:
		return basicTypes["interface"]
	default:
		return randomStruct(r, depth)
	}
}

func randomValue(r *rand.Rand, t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	wide := r.Uint64() >> uint(r.Intn(64))
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(r.Intn(2) == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(wide) << uint(64-t.Bits()) >> uint(64-t.Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(wide << uint(64-t.Bits()) >> uint(64-t.Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(randomFloat(r))
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(randomFloat(r), randomFloat(r)))
	case reflect.String:
		v.SetString(randomString(r))
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(randomString(r)))
			break
		}
		v.Set(reflect.MakeSlice(t, r.Intn(4), 4))
		for i := 0; i < v.Len(); i++ {
			v.Index(i).Set(randomValue(r, t.Elem(), depth-1))
		}
	case reflect.Array:
		for i := 0; i < v.Len(); i++ {
			v.Index(i).Set(randomValue(r, t.Elem(), depth-1))
		}
	case reflect.Map:
		if r.Intn(3) == 0 {
			break
		}
		v.Set(reflect.MakeMap(t))
		for count := r.Intn(4); count > 0; count-- {
			v.SetMapIndex(randomValue(r, t.Key(), depth-1), randomValue(r, t.Elem(), depth-1))
		}
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(randomValue(r, t.Elem(), depth-1))
	case reflect.Interface:
		if depth > 0 && r.Intn(4) > 0 {
			v.Set(randomValue(r, concreteTypes[r.Intn(len(concreteTypes))], depth-1))
		}
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if t.Field(i).IsExported() && r.Intn(5) > 0 || containsPointer(t.Field(i).Type) {
				v.Field(i).Set(randomValue(r, t.Field(i).Type, depth-1))
			}
		}
	}
	return v
}

// A nil pointer may stand in a field but not in an array in it.
func containsPointer(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return true
	case reflect.Array:
		return containsPointer(t.Elem())
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			if containsPointer(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

func randomFloat(r *rand.Rand) float64 {
	switch r.Intn(6) {
	case 0:
		return 0
	case 1:
		return float64(r.Intn(2000) - 1000)
	case 2:
		return math.Inf(r.Intn(2)*2 - 1)
	}
	return float64(float32(r.NormFloat64() * 1e10))
}

func randomString(r *rand.Rand) string {
	alphabet := []string{"a", "key", "é", "€", "\U0001F600", "\x00", "\xff", "\ufffd", " "}
	size := len(alphabet)
	out := ""
	for count := r.Intn(6); count > 0; count-- {
		out += alphabet[r.Intn(size)]
	}
	if r.Intn(20) == 0 {
		out += string(make([]byte, r.Intn(400)))
	}
	return out
}
