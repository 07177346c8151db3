package main

import (
	"fmt"
	"os"
	"strings"
)

// madeUpDefinitions are together at least so many bytes long.
func madeUpDefinitions(org string, bytesMin int) (list []string) {
	for size := 0; size <= bytesMin; {
		id := len(list) + 1
		definition := fmt.Sprintf(`{"api_id":"api-%d","org_id":%q,"name":"api %d","slug":"api-%d","active":true,`+
			`"use_keyless":true,"proxy":{"listen_path":"/api-%d/","target_url":"http://127.0.0.1:1/","strip_listen_path":true},`+
			`"version_data":{"not_versioned":true,"versions":{"RGVmYXVsdA==":{"name":"RGVmYXVsdA=="}}},`+
			`"config_data":{"description":%q}}`, id, org, id, id, id, strings.Repeat(fmt.Sprintf("filler %d ", id), 40))
		list = append(list, definition)
		size += len(definition)
	}
	return list
}

// readDefinitions reads a file of JSON lines.
func readDefinitions(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n"), nil
}

// joinDefinitions builds both forms of GetApiDefinitions.
func joinDefinitions(list []string) (nested, flat string) {
	wrapped := make([]string, len(list))
	for index, definition := range list {
		wrapped[index] = `{"api_definition":` + definition + `,"oas":null}`
	}
	return "[" + strings.Join(wrapped, ",") + "]", "[" + strings.Join(list, ",") + "]"
}
