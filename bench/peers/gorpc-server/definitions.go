package main

import (
	"fmt"
	"strings"
)

// definitions builds both forms of GetApiDefinitions, at least so many bytes long.
func definitions(org string, bytesMin int) (nested, flat string) {
	var nestedList, flatList []string
	for size := 0; size <= bytesMin; {
		id := len(flatList) + 1
		definition := fmt.Sprintf(`{"api_id":"api-%d","org_id":%q,"name":"api %d","slug":"api-%d","active":true,`+
			`"use_keyless":true,"proxy":{"listen_path":"/api-%d/","target_url":"http://127.0.0.1:1/","strip_listen_path":true},`+
			`"version_data":{"not_versioned":true,"versions":{"RGVmYXVsdA==":{"name":"RGVmYXVsdA=="}}},`+
			`"config_data":{"description":%q}}`, id, org, id, id, id, strings.Repeat(fmt.Sprintf("filler %d ", id), 40))
		flatList = append(flatList, definition)
		nestedList = append(nestedList, `{"api_definition":`+definition+`,"oas":null}`)
		size += len(definition)
	}
	return "[" + strings.Join(nestedList, ",") + "]", "[" + strings.Join(flatList, ",") + "]"
}
