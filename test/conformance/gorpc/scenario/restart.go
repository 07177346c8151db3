package scenario

import (
	"errors"
	"fmt"
	"time"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// Restart keeps a long poll pending while the harness restarts the server on the same
// port. It prints the step "ready-for-restart" when the moment has come.
func Restart(target Target, reporter *report.Reporter) {
	client := target.open()
	defer client.Stop()
	reporter.Step("connect", func() (string, error) {
		return "", client.WaitDials(target.Connections, 10*time.Second)
	})
	if !reporter.Step("login", func() (string, error) { return target.login(client) }) {
		return
	}
	poll := beginPoll(client, "CheckReload", target.Org)
	time.Sleep(200 * time.Millisecond) // on its way, not merely queued
	reporter.Note("ready-for-restart", fmt.Sprintf("%d connections, one long poll", target.Connections))

	reporter.Step("pending-poll-ends", func() (string, error) { return pollEnds(target, client, poll) })
	reporter.Step("reconnected", func() (string, error) {
		return fmt.Sprintf("%d dials", client.Dials()), client.WaitDials(2*target.Connections, target.Deadline)
	})
	reporter.Step("call-recovers", func() (string, error) { return recovers(target, client) })
	reporter.Step("every-connection-recovers", func() (string, error) { return manyInFlight(target, client) })
}

// pollEnds waits for the poll that the restart ends. One that ended by itself before any
// connection was lost is begun again. An answer of false is the better end: after a lost
// connection a gateway asks for a full synchronisation.
func pollEnds(target Target, client *worker.Client, poll <-chan longPoll) (string, error) {
	for deadline := time.Now().Add(target.Deadline); time.Now().Before(deadline); {
		outcome := <-poll
		if outcome.err != nil {
			if target.Graceful {
				return "", fmt.Errorf("cut: %w", outcome.err)
			}
			return "cut: " + outcome.err.Error(), nil
		}
		lost := client.WaitDials(target.Connections+1, 3*time.Second)
		if lost == nil {
			reload, err := want.Value[bool](outcome.answer, nil)
			return fmt.Sprintf("answered %t", reload), err
		}
		poll = beginPoll(client, "CheckReload", target.Org)
	}
	return "", errors.New("no restart in time")
}

// recovers does what a gateway does on Access Denied: log in and repeat.
func recovers(target Target, client *worker.Client) (string, error) {
	logins := 0
	var last error
	for deadline := time.Now().Add(target.Deadline); time.Now().Before(deadline); {
		answer, err := client.Call("GetKey", target.KnownKey())
		if err != nil && err.Error() == worker.AccessDenied {
			last = err
			if _, err := target.login(client); err != nil {
				last = err
				time.Sleep(500 * time.Millisecond)
			}
			logins++
			continue
		}
		if _, err = target.checkKnownKey(answer, err); err == nil {
			return fmt.Sprintf("%d logins", logins), nil
		}
		last = err
		time.Sleep(200 * time.Millisecond)
	}
	return "", want.Prefix("not recovered", last)
}
