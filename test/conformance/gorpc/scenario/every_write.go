package scenario

import (
	"fmt"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// Keepalive is what every gateway sends each ten seconds.
func Keepalive() apidef.InboundData {
	return apidef.InboundData{KeyName: "rpc.listener.0000", SessionState: "0000", Timeout: 10}
}

// everyWrite covers the writes. Most must be acknowledged and not executed, so the known
// key is read again at the end.
func everyWrite(target Target, reporter *report.Reporter, client *worker.Client) {
	acknowledged := func(step, method string, argument any) {
		reporter.Step(step, func() (string, error) {
			answer, err := client.Call(method, argument)
			return want.Done(answer, err)
		})
	}
	deleted := func(step, method string, argument any) {
		reporter.Step(step, func() (string, error) {
			answer, err := client.Call(method, argument)
			return want.True(answer, err)
		})
	}

	acknowledged("set-key-keepalive", "SetKey", Keepalive())
	reporter.Step("keepalive-is-not-stored", func() (string, error) {
		answer, err := client.Call("GetKey", "rpc.listener.0000")
		return want.NotFound(answer, err)
	})
	deleted("delete-key", "DeleteKey", target.KnownKey())
	deleted("delete-raw-key", "DeleteRawKey", target.KnownKey())
	deleted("delete-keys", "DeleteKeys", []string{target.KnownKey(), missingKey})
	deleted("delete-raw-keys", "DeleteRawKeys", []string{target.KnownKey()})
	acknowledged("decrement", "Decrement", "quota-"+target.Org)
	reporter.Step("increment-with-expire", func() (string, error) {
		return counts[int64](client, "IncrememntWithExpire", apidef.InboundData{
			KeyName: "quota-" + target.Org, Expire: 60,
		})
	})
	reporter.Step("set-rolling-window", func() (string, error) {
		return counts[int](client, "SetRollingWindow", apidef.InboundData{
			KeyName: "rate-limit-" + target.Org, Per: 60, Expire: -1,
		})
	})
	acknowledged("append-to-set", "AppendToSet", apidef.InboundData{KeyName: target.Org + "-index", Value: "conformance"})

	if target.ExistingKey != "" {
		reporter.Step("get-key-after-deletes", func() (string, error) {
			answer, err := client.Call("GetKey", target.ExistingKey)
			return target.checkKnownKey(answer, err)
		})
	}
}

// counts calls a counter twice. int and int64 are the same bytes on the wire and differ by
// name only; the wrong one is a panic in a gateway.
func counts[T int | int64](client *worker.Client, method string, data apidef.InboundData) (string, error) {
	first, err := want.Value[T](client.Call(method, data))
	if err != nil {
		return "", err
	}
	second, err := want.Value[T](client.Call(method, data))
	if err != nil {
		return "", err
	}
	if first < 0 || second < first {
		return "", fmt.Errorf("%d then %d", first, second)
	}
	return fmt.Sprintf("%d then %d", first, second), nil
}
