package scenario

import (
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// EveryMethod calls each method once or more, in the order of the method table, and checks
// the concrete type of each result. Two sessions run: one with a group, one without.
func EveryMethod(target Target, reporter *report.Reporter) {
	grouped, plain := target.open(), target.open()
	defer grouped.Stop()
	defer plain.Stop()

	if !everyLogin(target, reporter, grouped, plain) {
		return // every later step would fail for this one reason
	}
	everyRead(target, reporter, grouped)
	everyWrite(target, reporter, grouped)
	everyDefinition(target, reporter, grouped)
	everyPoll(target, reporter, grouped, plain)
	everyPurge(target, reporter, grouped)

	reporter.Step("unknown-method", func() (string, error) {
		answer, err := grouped.Call("NoSuchMethod", "x")
		return want.ErrorNaming(answer, err, "unknown method", "NoSuchMethod")
	})
	reporter.Step("foreign-org", func() (string, error) {
		return foreignOrg(target, grouped)
	})
	reporter.Step("no-connection-lost", func() (string, error) {
		return sameConnections(grouped, target.Connections)
	})
}

// foreignOrg asks for another organisation's things: any error will do but Access Denied.
func foreignOrg(target Target, client *worker.Client) (string, error) {
	var detail string
	for _, method := range []string{"GetPolicies", "CheckReload", "GetKeySpaceUpdate"} {
		answer, err := client.Call(method, target.ForeignOrg)
		if detail, err = want.NotFound(answer, err); err != nil {
			return "", want.Prefix(method, err)
		}
	}
	return detail, nil
}
