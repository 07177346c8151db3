package scenario

import (
	"fmt"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/worker"
)

// FireAndForget sends requests with id 0. An answer to one makes gorpc close the
// connection, which the dial count shows.
func FireAndForget(target Target, reporter *report.Reporter) {
	client := target.Open(worker.Current(), 1, "")
	defer client.Stop()
	if !reporter.Step("login", func() (string, error) { return target.login(client) }) {
		return
	}
	reporter.Step("send", func() (string, error) {
		const count = 10
		for range count {
			if err := client.Send("SetKey", Keepalive()); err != nil {
				return "", err
			}
			if err := client.Send("GetKey", missingKey); err != nil {
				return "", err
			}
			if err := client.Send("NoSuchMethod", "x"); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d requests", 3*count), nil
	})
	reporter.Step("call-after", func() (string, error) {
		answer, err := client.Call("GetKey", target.KnownKey())
		return target.checkKnownKey(answer, err)
	})
	reporter.Step("no-connection-lost", func() (string, error) { return sameConnections(client, 1) })
}
