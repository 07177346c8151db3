// Package want judges answers by what a gateway would do with them.
package want

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"causeway.test/conformance/gorpc/worker"
)

// Value checks the concrete Go type, which a gateway asserts without looking.
func Value[T any](answer any, err error) (T, error) {
	var none T
	if err != nil {
		return none, fmt.Errorf("error %q instead of a %T", err, none)
	}
	value, ok := answer.(T)
	if !ok {
		return none, fmt.Errorf("%T instead of %T", answer, none)
	}
	return value, nil
}

// True demands the value true.
func True(answer any, err error) (string, error) {
	value, err := Value[bool](answer, err)
	if err == nil && !value {
		err = errors.New("false instead of true")
	}
	return "true", err
}

// Refused accepts false or an error, but no success without a value: that one crashes
// a gateway.
func Refused(answer any, err error) (string, error) {
	if err != nil {
		return "error: " + err.Error(), nil
	}
	value, err := Value[bool](answer, nil)
	if err == nil && value {
		err = errors.New("accepted")
	}
	return "false", err
}

// Done is for methods whose success has no value.
func Done(answer any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if answer != nil {
		return "", fmt.Errorf("unexpected value %T", answer)
	}
	return "acknowledged", nil
}

// NotFound accepts any error but the one that means "log in again": a gateway would
// log in, repeat and recurse without end.
func NotFound(answer any, err error) (string, error) {
	if err == nil {
		return "", fmt.Errorf("a %T instead of an error", answer)
	}
	if err.Error() == worker.AccessDenied {
		return "", errors.New("Access Denied inside a session")
	}
	return "error: " + err.Error(), nil
}

// Strings accepts a missing value, which means an empty list.
func Strings(answer any, err error) ([]string, error) {
	if err == nil && answer == nil {
		return nil, nil
	}
	return Value[[]string](answer, err)
}

// List parses a JSON array and its elements.
func List(answer any, err error, countMin int) ([]map[string]json.RawMessage, error) {
	text, err := Value[string](answer, err)
	if err != nil {
		return nil, err
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("%w in %q", err, Brief(text))
	}
	if list == nil {
		return nil, fmt.Errorf("%q instead of an array", Brief(text))
	}
	if len(list) < countMin {
		return nil, fmt.Errorf("%d elements instead of %d or more", len(list), countMin)
	}
	return list, nil
}

// ErrorNaming demands an error text with all the words.
func ErrorNaming(answer any, err error, words ...string) (string, error) {
	if err == nil {
		return "", fmt.Errorf("a %T instead of an error", answer)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			return "", fmt.Errorf("error %q does not contain %q", err, word)
		}
	}
	return "error: " + err.Error(), nil
}

// Prefix says in which call an error came up.
func Prefix(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }

// IsNull tells whether a property is absent or null.
func IsNull(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

// Brief cuts a text for a report.
func Brief(text string) string {
	if len(text) > 120 {
		return text[:120] + "..."
	}
	return text
}
