package scenario

import (
	"fmt"

	"causeway.test/conformance/gorpc/report"
	v40 "causeway.test/conformance/gorpc/v40/apidef"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// OldDefinitions is a gateway of 4.0: its types have today's names and fewer fields, and
// it must get the flat list of definitions.
func OldDefinitions(target Target, reporter *report.Reporter) {
	client := target.Open(worker.Release40(), target.Connections, "")
	defer client.Stop()
	reporter.Step("old-login-with-group", func() (string, error) {
		login := v40.GroupLoginRequest{UserKey: target.Key, GroupID: target.Group}
		answer, err := client.Call("LoginWithGroup", login)
		return want.True(answer, err)
	})
	reporter.Step("old-get-api-definitions", func() (string, error) {
		request := v40.DefRequest{OrgId: target.Org, Tags: target.Tags}
		answer, err := client.Call("GetApiDefinitions", request)
		list, err := want.List(answer, err, target.DefinitionsMin)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d definitions", len(list)), CheckFlat(list)
	})
	reporter.Step("old-get-keys-and-values", func() (string, error) {
		answer, err := client.Call("GetKeysAndValues", target.KnownKey()+"*")
		pair, err := want.Value[*v40.KeysValuesPair](answer, err)
		if err != nil {
			return "", err
		}
		return target.CheckPair(pair.Keys, pair.Values)
	})
}
