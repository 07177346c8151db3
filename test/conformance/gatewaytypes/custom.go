package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

type duration int64

func (*duration) UnmarshalJSON(text []byte) error {
	_, err := strconv.Unquote(string(text))
	return err
}

type objectID string

func (id *objectID) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		var exported struct {
			ID json.RawMessage `json:"$oid"`
		}
		if err := json.Unmarshal(text, &exported); err != nil {
			return err
		}
		text = exported.ID
	}
	if string(text) == `""` || string(text) == "null" {
		return nil
	}
	if len(text) != 26 || text[0] != '"' || text[25] != '"' {
		return errors.New("not an object id")
	}
	_, err := hex.DecodeString(string(text[1:25]))
	return err
}

// reference is an object with a `$ref`, or the structure itself.
type reference[T any] struct{ value *T }

func (r *reference[T]) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) == nil {
		var target string
		if json.Unmarshal(members["$ref"], &target) == nil && target != "" {
			return nil
		}
	}
	return json.Unmarshal(text, &r.value)
}

type boolOr[T any] struct{ value *T }

func (b *boolOr[T]) UnmarshalJSON(text []byte) error {
	switch string(bytes.TrimSpace(text)) {
	case "true", "false", "null":
		return nil
	}
	if text[0] != '{' {
		return errors.New("neither an object nor a boolean")
	}
	return json.Unmarshal(text, &b.value)
}

type oneOrList []string

func (l *oneOrList) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, (*[]string)(l)) == nil {
		return nil
	}
	var one string
	return json.Unmarshal(text, &one)
}

// strictMap reads all of it as it comes, and then each value again.
type strictMap[T any] map[string]T

func (m *strictMap[T]) UnmarshalJSON(text []byte) error {
	return readMap[T](text, func(string) bool { return false })
}

type extensibleMap[T any] map[string]T

func (m *extensibleMap[T]) UnmarshalJSON(text []byte) error {
	return readMap[T](text, func(name string) bool { return strings.HasPrefix(name, "x-") })
}

func readMap[T any](text []byte, skip func(name string) bool) error {
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	for name, value := range values {
		if skip(name) {
			continue
		}
		again, err := json.Marshal(value)
		if err != nil {
			return err
		}
		var into T
		if err := json.Unmarshal(again, &into); err != nil {
			return err
		}
	}
	return nil
}

// extension is an object or null; a gateway ends at anything else.
type extension[T any] struct{ value T }

func (e *extension[T]) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	return json.Unmarshal(text, &e.value)
}

// eventHandler reads its own fields, and then those that its type asks for.
type eventHandler struct{}

func (*eventHandler) UnmarshalJSON(text []byte) error {
	var base eventHandlerBase
	if err := json.Unmarshal(text, &base); err != nil {
		return err
	}
	if into, known := eventHandlers[base.Type]; known {
		return json.Unmarshal(text, into())
	}
	return nil
}

type eventHandlerBase struct {
	Enabled bool   `json:"enabled"`
	Trigger string `json:"trigger"`
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"name"`
}
