package scenario

import (
	"encoding/json"
	"fmt"
	"regexp"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// A gateway refuses the whole list of policies for one malformed _id.
var objectID = regexp.MustCompile(`^"[0-9a-f]{24}"$`)

// everyDefinition covers the three payloads, and the flat list that a process of the older
// generation gets.
func everyDefinition(target Target, reporter *report.Reporter, client *worker.Client) {
	reporter.Step("get-api-definitions", func() (string, error) {
		request := apidef.DefRequest{OrgId: target.Org, Tags: target.Tags, LoadOAS: true}
		answer, err := client.Call("GetApiDefinitions", request)
		list, err := want.List(answer, err, target.DefinitionsMin)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d definitions", len(list)), checkNested(list)
	})
	reporter.Step("get-api-definitions-of-foreign-org", func() (string, error) {
		request := apidef.DefRequest{OrgId: target.ForeignOrg, LoadOAS: true}
		answer, err := client.Call("GetApiDefinitions", request)
		return want.NotFound(answer, err)
	})
	if target.Respawn != nil {
		if err := target.Respawn("old-definitions", reporter); err != nil {
			reporter.Step("old-definitions", func() (string, error) { return "", err })
		}
	}
	reporter.Step("get-policies", func() (string, error) {
		answer, err := client.Call("GetPolicies", target.Org)
		list, err := want.List(answer, err, target.PoliciesMin)
		if err != nil {
			return "", err
		}
		for index, policy := range list {
			if !objectID.Match(policy["_id"]) {
				return "", fmt.Errorf("policy %d has _id %s", index, policy["_id"])
			}
		}
		return fmt.Sprintf("%d policies", len(list)), nil
	})
	reporter.Step("get-client-idps", func() (string, error) {
		request := apidef.DefRequest{OrgId: target.Org, Tags: target.Tags}
		answer, err := client.Call("GetClientIdPs", request)
		list, err := want.List(answer, err, 0)
		return fmt.Sprintf("%d identity providers", len(list)), err
	})
}

// checkNested demands {"api_definition": {...}, "oas": ...}: a gateway of 4.1 or newer
// crashes on anything else.
func checkNested(list []map[string]json.RawMessage) error {
	for index, element := range list {
		if want.IsNull(element["api_definition"]) {
			return fmt.Errorf("element %d has no api_definition", index)
		}
		var definition struct {
			IsOAS bool `json:"is_oas"`
		}
		if err := json.Unmarshal(element["api_definition"], &definition); err != nil {
			return fmt.Errorf("element %d: %w", index, err)
		}
		if definition.IsOAS && want.IsNull(element["oas"]) {
			return fmt.Errorf("element %d is OAS without its oas", index)
		}
	}
	return nil
}

// CheckFlat demands bare definitions, the only form gateways up to 4.0 read.
func CheckFlat(list []map[string]json.RawMessage) error {
	for index, element := range list {
		if want.IsNull(element["api_id"]) {
			return fmt.Errorf("element %d has no api_id", index)
		}
		if _, nested := element["api_definition"]; nested {
			return fmt.Errorf("element %d is nested", index)
		}
	}
	return nil
}
