package scenario

import (
	"causeway.test/conformance/gorpc/pumps"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// OldPump is a hybrid pump up to 1.7 with a group: it pings before it logs in and before
// each batch, and logs in under a type name of its own.
func OldPump(target Target, reporter *report.Reporter) {
	client := target.Open(worker.Functions{
		"Login":                        func(clientAddress, key string) bool { return false },
		"LoginWithGroup":               func(clientAddress string, login *pumps.GroupLoginRequest) bool { return false },
		"Ping":                         func() bool { return false },
		"PurgeAnalyticsData":           func(records string) error { return nil },
		"PurgeAnalyticsDataAggregated": func(aggregates string) error { return nil },
	}, target.Connections, "")
	defer client.Stop()

	reporter.Step("ping-before-login", func() (string, error) { return ping(client) })
	reporter.Step("login-with-group", func() (string, error) {
		answer, err := client.Call("LoginWithGroup", pumps.GroupLoginRequest{UserKey: target.Key, GroupID: target.Group})
		return want.True(answer, err)
	})
	reporter.Step("ping", func() (string, error) { return ping(client) })
	reporter.Step("purge-analytics-data", func() (string, error) {
		answer, err := client.Call("PurgeAnalyticsData", records(target.Org))
		return want.Done(answer, err)
	})
	reporter.Step("purge-analytics-data-aggregated", func() (string, error) {
		answer, err := client.Call("PurgeAnalyticsDataAggregated", aggregate(target.Org, target.Org))
		return want.Done(answer, err)
	})
}
