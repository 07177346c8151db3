package main

import (
	"fmt"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/scenario"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// Up to 2.8 a gateway was one package main, so its types travel as *main.InboundData and
// so on. That is why this scenario lives in this package.

// InboundData carries the writes.
type InboundData struct {
	KeyName      string
	Value        string
	SessionState string
	Timeout      int64
	Per          int64
	Expire       int64
}

// DefRequest asks for definitions.
type DefRequest struct {
	OrgId string
	Tags  []string
}

// GroupLoginRequest logs in with a group.
type GroupLoginRequest struct {
	UserKey string
	GroupID string
}

// GroupKeySpaceRequest asks for the key events of a group.
type GroupKeySpaceRequest struct {
	OrgID   string
	GroupID string
}

// KeysValuesPair must come back under this package's name: a connection knows one name
// for it, and dies of the other.
type KeysValuesPair struct {
	Keys   []string
	Values []string
}

var oldFunctions = worker.Functions{
	"Login":                      func(clientAddress, key string) bool { return false },
	"LoginWithGroup":             func(clientAddress string, login *GroupLoginRequest) bool { return false },
	"GetKey":                     func(key string) (string, error) { return "", nil },
	"SetKey":                     func(data *InboundData) error { return nil },
	"GetExp":                     func(key string) (int64, error) { return 0, nil },
	"GetKeysAndValues":           func(pattern string) (*KeysValuesPair, error) { return nil, nil },
	"GetKeysAndValuesWithFilter": func(pattern string) (*KeysValuesPair, error) { return nil, nil },
	"GetApiDefinitions":          func(request *DefRequest) (string, error) { return "", nil },
	"GetPolicies":                func(org string) (string, error) { return "", nil },
	"GetGroupKeySpaceUpdate":     func(clientAddress string, request *GroupKeySpaceRequest) ([]string, error) { return nil, nil },
}

// oldGateway has two sessions: without a group, where InboundData is the first type that
// shows the age, and with a group, where the login shows it.
func oldGateway(target scenario.Target, reporter *report.Reporter) {
	plain := target.Open(oldFunctions, target.Connections, "")
	defer plain.Stop()
	reporter.Step("login", func() (string, error) {
		answer, err := plain.Call("Login", target.Key)
		return want.True(answer, err)
	})
	reporter.Step("set-key-keepalive", func() (string, error) {
		data := InboundData{KeyName: "rpc.listener.0000", SessionState: "0000", Timeout: 10}
		answer, err := plain.Call("SetKey", data)
		return want.Done(answer, err)
	})
	oldReads(target, reporter, plain, "")

	grouped := target.Open(oldFunctions, target.Connections, "")
	defer grouped.Stop()
	reporter.Step("login-with-group", func() (string, error) {
		login := GroupLoginRequest{UserKey: target.Key, GroupID: target.Group}
		answer, err := grouped.Call("LoginWithGroup", login)
		return want.True(answer, err)
	})
	oldReads(target, reporter, grouped, "grouped-")
	reporter.Step("grouped-get-group-key-space-update", func() (string, error) {
		request := GroupKeySpaceRequest{OrgID: target.Org, GroupID: target.Group}
		events, err := want.Strings(grouped.Call("GetGroupKeySpaceUpdate", request))
		return fmt.Sprintf("%d events", len(events)), err
	})
}

// oldReads asks over the whole pool: the age is a fact of the process, not of the
// connection that showed it.
func oldReads(target scenario.Target, reporter *report.Reporter, client *worker.Client, prefix string) {
	for _, method := range []string{"GetKeysAndValues", "GetKeysAndValuesWithFilter"} {
		reporter.Step(prefix+method, func() (string, error) {
			pair, err := want.Value[*KeysValuesPair](client.Call(method, target.KnownKey()+"*"))
			if err != nil {
				return "", err
			}
			return target.CheckPair(pair.Keys, pair.Values)
		})
	}
	reporter.Step(prefix+"GetApiDefinitions", func() (string, error) {
		answer, err := client.Call("GetApiDefinitions", DefRequest{OrgId: target.Org, Tags: target.Tags})
		list, err := want.List(answer, err, target.DefinitionsMin)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d definitions", len(list)), scenario.CheckFlat(list)
	})
}
