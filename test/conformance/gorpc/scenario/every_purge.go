package scenario

import (
	"encoding/json"
	"time"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// everyPurge covers the analytics, with a null element among the records: that is how a
// gateway sends one it could not decode.
func everyPurge(target Target, reporter *report.Reporter, client *worker.Client) {
	for _, call := range []struct{ step, method, payload string }{
		{"purge-analytics-data", "PurgeAnalyticsData", records(target.Org)},
		{"purge-analytics-data-empty", "PurgeAnalyticsData", "[]"},
		{"purge-analytics-data-aggregated", "PurgeAnalyticsDataAggregated", aggregate(target.Org, target.Org)},
		{"purge-analytics-data-mcp-aggregated", "PurgeAnalyticsDataMCPAggregated", aggregate(conformanceAPI, target.Org)},
	} {
		reporter.Step(call.step, func() (string, error) {
			answer, err := client.Call(call.method, call.payload)
			return want.Done(answer, err)
		})
	}
}

const conformanceAPI = "conformance-api"

// records holds one record in the spelling of 5.3.3 and newer.
func records(org string) string {
	now := time.Now().UTC()
	return encode([]any{map[string]any{
		"method": "GET", "host": "conformance.test", "path": "/get", "raw_path": "/get",
		"content_length": 0, "user_agent": "conformance",
		"day": now.Day(), "month": int(now.Month()), "year": now.Year(), "hour": now.Hour(),
		"response_code": 200, "api_key": "00000000", "timestamp": now, "api_version": "Not Versioned",
		"api_name": "conformance", "api_id": conformanceAPI, "org_id": org, "oauth_id": "",
		"request_time": 3, "raw_request": "", "raw_response": "", "ip_address": "127.0.0.1",
		"geo": map[string]any{}, "network": map[string]any{}, "latency": map[string]any{"total": 3, "upstream": 2},
		"tags": []string{"key-00000000"}, "alias": "", "track_path": false, "expireAt": now.Add(24 * time.Hour),
	}, nil})
}

// aggregate holds one hour; it is keyed by org, and by API for MCP.
func aggregate(key, org string) string {
	now := time.Now().UTC()
	hour := now.Truncate(time.Hour)
	return encode(map[string]any{key: map[string]any{
		"TimeStamp": hour, "OrgID": org, "LastTime": now,
		"TimeID":  map[string]int{"Year": now.Year(), "Month": int(now.Month()), "Day": now.Day(), "Hour": now.Hour()},
		"APIKeys": map[string]any{}, "Errors": map[string]any{}, "Versions": map[string]any{},
		"APIID": map[string]any{conformanceAPI: counter(now)},
		"Total": counter(now),
	}})
}

func counter(now time.Time) map[string]any {
	return map[string]any{
		"hits": 1, "success": 1, "error": 0, "request_time": 3, "total_request_time": 3,
		"identifier": "", "human_identifier": "", "last_time": now,
	}
}

func encode(value any) string {
	bytes, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(bytes)
}
