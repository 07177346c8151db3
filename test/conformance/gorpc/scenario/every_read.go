package scenario

import (
	"fmt"
	"slices"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// everyRead covers GetKey, GetExp, GetKeys and both searches.
func everyRead(target Target, reporter *report.Reporter, client *worker.Client) {
	if target.ExistingKey != "" {
		reporter.Step("get-key", func() (string, error) {
			answer, err := client.Call("GetKey", target.ExistingKey)
			return target.checkKnownKey(answer, err)
		})
	}
	reporter.Step("get-key-missing", func() (string, error) {
		answer, err := client.Call("GetKey", missingKey)
		return want.NotFound(answer, err)
	})
	reporter.Step("get-exp", func() (string, error) {
		answer, err := client.Call("GetExp", target.KnownKey())
		if err != nil && target.ExistingKey == "" {
			return want.NotFound(answer, err)
		}
		seconds, err := want.Value[int64](answer, err)
		if err == nil && target.ExistingKey != "" && seconds < -1 {
			err = fmt.Errorf("%d for a key that exists", seconds)
		}
		return fmt.Sprintf("%d s", seconds), err
	})
	reporter.Step("get-exp-missing", func() (string, error) {
		answer, err := client.Call("GetExp", missingKey)
		if err != nil {
			return want.NotFound(answer, err)
		}
		seconds, err := want.Value[int64](answer, err)
		if err == nil && seconds != -2 {
			err = fmt.Errorf("%d for a key that is missing", seconds)
		}
		return fmt.Sprintf("%d s", seconds), err
	})
	reporter.Step("get-keys", func() (string, error) {
		answer, err := client.Call("GetKeys", target.KnownKey()+"*")
		names, err := want.Strings(answer, err)
		return fmt.Sprintf("%d names", len(names)), err
	})
	search := func(method string) (string, error) {
		answer, err := client.Call(method, target.KnownKey()+"*")
		pair, err := want.Value[*apidef.KeysValuesPair](answer, err)
		if err != nil {
			return "", err
		}
		return target.CheckPair(pair.Keys, pair.Values)
	}
	reporter.Step("get-keys-and-values", func() (string, error) { return search("GetKeysAndValues") })
	reporter.Step("get-keys-and-values-with-filter", func() (string, error) { return search("GetKeysAndValuesWithFilter") })
}

// CheckPair demands a value for each key, which a gateway takes for granted, and the
// existing key among them under its full name.
func (t Target) CheckPair(keys, values []string) (string, error) {
	if len(keys) != len(values) {
		return "", fmt.Errorf("%d keys with %d values", len(keys), len(values))
	}
	if t.ExistingKey != "" {
		at := slices.Index(keys, t.ExistingKey)
		if at < 0 {
			return "", fmt.Errorf("%q is not among %d keys", t.ExistingKey, len(keys))
		}
		if t.ExpectedValue != "" && values[at] != t.ExpectedValue {
			return "", fmt.Errorf("value %q", want.Brief(values[at]))
		}
	}
	return fmt.Sprintf("%d pairs", len(keys)), nil
}
