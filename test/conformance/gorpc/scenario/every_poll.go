package scenario

import (
	"errors"
	"fmt"
	"time"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

const (
	holdMin = 5 * time.Second  // shorter, and a gateway's poll loop spins
	holdMax = 28 * time.Second // longer, and a gateway's call timeout of 30 s comes first
)

// everyPoll covers both long polls, which run side by side, and both event reads.
func everyPoll(target Target, reporter *report.Reporter, grouped, plain *worker.Client) {
	if target.SkipHold {
		reporter.Step("check-reload", func() (string, error) { return sendOnly(grouped, "CheckReload", target.Org) })
		reporter.Step("check-idp-reload", func() (string, error) { return sendOnly(grouped, "CheckIdPReload", target.Org) })
	} else {
		identities := beginPoll(grouped, "CheckIdPReload", target.Org)
		reporter.Step("check-reload", func() (string, error) { return heldReload(target, grouped) })
		reporter.Step("check-idp-reload", func() (string, error) { return heldIdentities(<-identities) })
	}
	reporter.Step("get-key-space-update", func() (string, error) {
		answer, err := plain.Call("GetKeySpaceUpdate", target.Org)
		events, err := want.Strings(answer, err)
		return fmt.Sprintf("%d events", len(events)), err
	})
	reporter.Step("get-group-key-space-update", func() (string, error) {
		request := apidef.GroupKeySpaceRequest{OrgID: target.Org, GroupID: target.Group}
		answer, err := grouped.Call("GetGroupKeySpaceUpdate", request)
		events, err := want.Strings(answer, err)
		return fmt.Sprintf("%d events", len(events)), err
	})
}

// sendOnly leaves the call pending: gorpc discards an answer that comes too late.
func sendOnly(client *worker.Client, method, org string) (string, error) {
	call, err := client.Begin(method, org)
	if err != nil {
		return "", err
	}
	select {
	case <-call.Done:
		if call.Error != nil {
			return "", call.Error
		}
		return fmt.Sprintf("answered %v at once", call.Response), nil
	case <-time.After(200 * time.Millisecond):
		return "pending, hold not checked", nil
	}
}

// longPoll is the outcome of one long poll and how long it took.
type longPoll struct {
	answer any
	err    error
	held   time.Duration
}

func beginPoll(client *worker.Client, method, org string) <-chan longPoll {
	done := make(chan longPoll, 1)
	started := time.Now()
	go func() {
		answer, err := client.Call(method, org)
		done <- longPoll{answer, err, time.Since(started)}
	}()
	return done
}

// heldReload asks until the answer is false: a server may say true at first, when it
// counts a new gateway as changed.
func heldReload(target Target, client *worker.Client) (string, error) {
	for attempt := 1; attempt <= 3; attempt++ {
		poll := <-beginPoll(client, "CheckReload", target.Org)
		reload, err := want.Value[bool](poll.answer, poll.err)
		if err != nil {
			return "", err
		}
		if !reload {
			return checkHold(poll.held)
		}
	}
	return "", errors.New("true three times though nothing changes")
}

func heldIdentities(poll longPoll) (string, error) {
	changed, err := want.Strings(poll.answer, poll.err)
	if err != nil {
		return "", err
	}
	if len(changed) > 0 {
		return fmt.Sprintf("%d changed", len(changed)), nil
	}
	return checkHold(poll.held)
}

func checkHold(held time.Duration) (string, error) {
	held = held.Round(time.Millisecond)
	if held < holdMin || held > holdMax {
		return "", fmt.Errorf("held for %s, not between %s and %s", held, holdMin, holdMax)
	}
	return fmt.Sprintf("held for %s", held), nil
}
