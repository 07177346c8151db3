// Package scenario holds the checks, one file for each scenario.
package scenario

import (
	"encoding/json"
	"fmt"
	"log"
	"time"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// missingKey has the form of a real key of nobody.
const missingKey = "apikey-00000000000000000000000000000000"

// Target is the server under test and what is known about it.
type Target struct {
	Address     string
	Org         string
	Key         string
	BadKey      string
	Group       string
	TLS         bool
	Plain       bool
	Connections int
	Verbose     bool

	ExistingKey   string // a key GetKey must answer; empty skips what depends on it
	ExpectedValue string
	ForeignOrg    string
	Tags          []string

	DefinitionsMin int // fewest definitions, policies the server must answer with
	PoliciesMin    int
	SkipHold       bool
	Graceful       bool // restart: the pending poll must be answered, not cut
	Expect         []string
	Deadline       time.Duration
	PollInterval   time.Duration

	// Respawn runs another scenario in a process of its own and reports its steps. Types
	// of two gateway generations share their wire names, which gob allows only one of.
	Respawn func(scenario string, reporter *report.Reporter) error
}

// Scenario checks a target and reports each step.
type Scenario func(target Target, reporter *report.Reporter)

// All names every scenario of this package.
func All() map[string]Scenario {
	return map[string]Scenario{
		"every-method":    EveryMethod,
		"old-definitions": OldDefinitions,
		"pool":            Pool,
		"prelogin":        Prelogin,
		"old-pump":        OldPump,
		"big":             Big,
		"id0":             FireAndForget,
		"restart":         Restart,
		"events":          Events,
		"drop-connection": DropConnection,
	}
}

// Open starts a client of the target with its own connection id.
func (t Target) Open(functions worker.Functions, connections int, connectionID string) *worker.Client {
	options := worker.Options{
		Address:      t.Address,
		ConnectionID: connectionID,
		Connections:  connections,
		TLS:          t.TLS,
		Plain:        t.Plain,
		Functions:    functions,
	}
	if t.Verbose {
		options.Log = log.Printf
	}
	return worker.Start(options)
}

// open is Open for a current gateway with the pool size asked for.
func (t Target) open() *worker.Client { return t.Open(worker.Current(), t.Connections, "") }

// groupLogin is the login of a current gateway, node data included.
func (t Target) groupLogin(key string) apidef.GroupLoginRequest {
	node, err := json.Marshal(map[string]any{
		"node_id":           "solo-" + worker.NewConnectionID(),
		"api_key":           key,
		"group_id":          t.Group,
		"node_version":      "v5.14.0",
		"ttl":               10,
		"node_is_segmented": len(t.Tags) > 0,
		"tags":              t.Tags,
		"health":            map[string]any{},
		"stats":             map[string]int{"apis_count": 0, "policies_count": 0},
		"host_details":      map[string]any{"Hostname": "conformance", "PID": 1, "Address": "127.0.0.1"},
	})
	if err != nil {
		panic(err)
	}
	return apidef.GroupLoginRequest{UserKey: key, GroupID: t.Group, Node: node}
}

// login logs a client in with the group and fails unless the answer is true.
func (t Target) login(client *worker.Client) (string, error) {
	answer, err := client.Call("LoginWithGroup", t.groupLogin(t.Key))
	return want.True(answer, err)
}

// KnownKey is a key to ask for: the existing one when there is one.
func (t Target) KnownKey() string {
	if t.ExistingKey != "" {
		return t.ExistingKey
	}
	return missingKey
}

// checkKnownKey judges the answer to GetKey of KnownKey.
func (t Target) checkKnownKey(answer any, err error) (string, error) {
	if t.ExistingKey == "" {
		return want.NotFound(answer, err)
	}
	value, err := want.Value[string](answer, err)
	if err != nil {
		return "", err
	}
	if t.ExpectedValue != "" && value != t.ExpectedValue {
		return "", fmt.Errorf("%q instead of %q", want.Brief(value), want.Brief(t.ExpectedValue))
	}
	return fmt.Sprintf("%d bytes", len(value)), nil
}
