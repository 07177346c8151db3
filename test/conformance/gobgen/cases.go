package main

import (
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

type point struct{ X, Y int8 }

type shelf struct {
	Title string
	Inner any
	Items []any
}

type labelled struct {
	Labels map[string]string
	At     *point
}

type everything struct {
	B        bool
	I        int
	I8       int8
	I16      int16
	I32      int32
	I64      int64
	U        uint
	U8       uint8
	U16      uint16
	U32      uint32
	U64      uint64
	Ptr      uintptr
	F32      float32
	F64      float64
	C64      complex64
	C128     complex128
	S        string
	Bytes    []byte
	Ints     []int
	Texts    []string
	Grid     [2][3]int16
	Octets   [4]byte
	None     [0]string
	Points   []point
	ByName   map[string]point
	ByPoint  map[point][]string
	Nested   map[int]map[uint8]bool
	Any      any
	Anything []any
	Deep     ***point
	Same     point
}

type skipped struct {
	Before string
	hidden int
	Chan   chan int
	Func   func()
	After  string
}

type embedding struct {
	point
	Point
	*Other
	Last int
}

type Point struct{ Z int }
type Other struct{ Name string }

type list struct {
	Value int
	Next  *list
}

type tree struct {
	Name     string
	Children []tree
	Index    map[string]*tree
}

// husband and wife contain each other.
type husband struct {
	Name string
	Wife *wife
}

type wife struct {
	Name    string
	Husband *husband
	Friends []husband
}

type level1 struct{ Inner any }
type level2 struct {
	Before string
	Inner  any
	After  string
}
type level3 struct{ Items []any }
type level4 struct{ M map[string]any }

type self struct{ text string }

func (s self) GobEncode() ([]byte, error)   { return []byte("<" + s.text + ">"), nil }
func (s *self) GobDecode(data []byte) error { s.text = string(data); return nil }

type selfPointer struct{ number int }

func (s *selfPointer) GobEncode() ([]byte, error) { return []byte{byte(s.number), 0, 0xff}, nil }
func (s *selfPointer) GobDecode([]byte) error     { return nil }

type marshallers struct {
	Time    time.Time
	Zero    time.Time
	Big     *big.Int
	Address netip.Addr
	Link    *url.URL
	Self    self
	Pointed *selfPointer
	Selves  []self
	ByTime  map[self]time.Time
	Any     any
	Last    int
}

type named []int
type namedMap map[string]named
type namedString string

type groupLoginRequest struct {
	UserKey   string
	GroupID   string
	ForceSync bool
	Node      []byte
}

func init() {
	register("int", int(0))
	register("int8", int8(0))
	register("int64", int64(0))
	register("uint16", uint16(0))
	register("uint64", uint64(0))
	register("float32", float32(0))
	register("complex128", complex128(0))
	register("string", "")
	register("bool", false)
	register("[]uint8", []byte(nil))
	register("[]string", []string(nil))
	register("[]interface {}", []any(nil))
	register("map[string]int64", map[string]int64(nil))
	register("[2]uint8", [2]uint8{})
	register("*main.point", &point{})
	register("main.shelf", shelf{})
	register("main.labelled", labelled{})
	register("*main.level1", &level1{})
	register("*main.level2", &level2{})
	register("main.level3", level3{})
	register("main.level4", level4{})
	register("time.Time", time.Time{})
	register("main.self", self{})
	register("main.namedMap", namedMap(nil))
	register("main.tree", tree{})
	register("*main.GroupLoginRequest", &groupLoginRequest{})
}

func pointer[T any](value T) *T { return &value }

func fixedCases() []testCase {
	at := time.Date(2024, 2, 29, 12, 30, 1, 999, time.FixedZone("", 3600))
	couple := &husband{Name: "h", Wife: &wife{Name: "w", Friends: []husband{{Name: "f"}}}}
	link, _ := url.Parse("https://user@example.com/a?b=c#d")
	full := everything{
		true, -1, math.MinInt8, math.MaxInt16, math.MinInt32, math.MinInt64, 1, 255, math.MaxUint16,
		math.MaxUint32, math.MaxUint64, 7, 0.5, math.Pi, complex(1, -2), complex(math.Inf(1), 0.1), "text €",
		[]byte{0, 1, 255}, []int{0, -1, 1 << 60}, []string{"", "a"}, [2][3]int16{{1, 2, 3}, {4}},
		[4]byte{0, 127, 128, 255}, [0]string{}, []point{{}, {1, 2}}, map[string]point{"a": {}, "b": {3, 4}},
		map[point][]string{{1, 1}: {"x"}, {}: nil}, map[int]map[uint8]bool{-5: {1: true, 2: false}, 0: {}},
		level2{"before", level3{[]any{nil, 1, point{1, 0}}}, "after"}, []any{"s", nil, true, []any{nil}},
		pointer(pointer(&point{9, 9})), point{},
	}
	return []testCase{
		{"top level scalars", []any{
			true, false, 0, -1, int8(-128), int16(300), int32(-65), int64(math.MaxInt64), int64(math.MinInt64),
			uint(0), uint8(255), uint64(math.MaxUint64), uint64(1 << 53), uint64(1<<53 - 1), uintptr(1),
			int64(1<<53 - 1), int64(1 << 53), int64(-1 << 53), float32(0.1), 17.0, -0.5, math.NaN(), math.Inf(-1),
			math.SmallestNonzeroFloat64, complex64(complex(1, 2)), complex(math.NaN(), 0), "", "text", "\xff\xfe",
			[]byte{}, []byte("bytes"), namedString("named"),
		}},
		{"top level containers", []any{
			[]string{}, []string{"a", ""}, [3]int{1, 0, -1}, [2][2]string{{"a"}, {"", "b"}}, map[string]int{},
			map[string]int{"a": 1, "b": -1}, map[int8][]byte{1: {1}, 2: {}}, [][]uint16{{}, {1, 2}}, []bool{true, false},
			[]float64{0, 1}, []complex64{1}, []uintptr{4}, named{1, 2}, namedMap{"a": {1}}, [4]byte{1, 200},
			[]*point{{1, 2}, {}}, pointer(pointer(5)), [0]int{},
		}},
		{"everything", []any{full, everything{}, full, &everything{Any: 5, Anything: []any{}}}},
		{"fields that are never sent", []any{skipped{"b", 1, make(chan int), func() {}, "a"}}},
		{"embedded structs", []any{embedding{point{1, 2}, Point{3}, &Other{"o"}, 4}, embedding{}}},
		{"types that contain themselves", []any{
			list{1, &list{0, &list{3, nil}}},
			tree{"root", []tree{{Name: "leaf"}, {}}, map[string]*tree{"a": {Name: "b"}}},
			couple, *couple.Wife,
		}},
		{"definitions at every depth", []any{
			level1{level2{"b", level3{[]any{point{1, 2}, level4{map[string]any{"k": shelf{Title: "t"}}}}}, "a"}},
			level1{labelled{map[string]string{"x": "y"}, &point{}}},
			level1{[]any{level1{level1{namedMap{"n": {1, 2}}}}, point{}, at}},
			level1{},
		}},
		{"one definition after another", []any{
			level3{[]any{point{1, 1}, shelf{}, labelled{}, level1{}, level2{}, level4{}, tree{}, namedMap{}, [2]uint8{}}},
			level3{[]any{point{1, 1}, shelf{Inner: 1}, nil, level1{2}, "s", int64(3), 4, uint64(math.MaxUint64)}},
		}},
		{"types that marshal themselves", []any{
			at, self{"top"}, &selfPointer{5}, netip.MustParseAddr("10.0.0.1"),
			marshallers{
				at, time.Time{}, big.NewInt(-12345678901234567), netip.MustParseAddr("fe80::1"), link, self{"s"},
				&selfPointer{7}, []self{{"a"}, {}}, map[self]time.Time{{"k"}: at}, at, 3,
			},
			marshallers{Any: self{"inside"}, Last: 1},
			level1{self{"x"}},
		}},
		{"requests of a gateway", []any{
			level1{groupLoginRequest{"key", "zone", true, []byte(`{"node_id":"x"}`)}},
			level1{groupLoginRequest{UserKey: "key"}},
			level1{[]string{"a", "b"}}, level1{""}, level1{int64(-1)},
		}},
		{"long values", []any{
			strings.Repeat("abc€", 30_000), make([]byte, 70_000), make([]uint16, 20_000),
			level3{[]any{strings.Repeat("x", 100_000), point{1, 2}, strings.Repeat("y", 300)}},
		}},
	}
}
