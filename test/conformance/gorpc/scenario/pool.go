package scenario

import (
	"errors"
	"fmt"
	"time"

	"github.com/TykTechnologies/gorpc"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

const callsInFlight = 50

// Pool is one gateway with all its connections and one login between them.
func Pool(target Target, reporter *report.Reporter) {
	client := target.open()
	defer client.Stop()
	reporter.Step("connect", func() (string, error) {
		return fmt.Sprintf("%d connections", target.Connections),
			client.WaitDials(target.Connections, 10*time.Second)
	})
	if !reporter.Step("login-once", func() (string, error) { return target.login(client) }) {
		return
	}
	reporter.Step("in-flight", func() (string, error) { return manyInFlight(target, client) })
	reporter.Step("every-connection-is-logged-in", func() (string, error) {
		return everyConnection(target, client)
	})
	reporter.Step("out-of-order", func() (string, error) { return outOfOrder(target) })
	reporter.Step("no-connection-lost", func() (string, error) {
		return sameConnections(client, target.Connections)
	})
}

// manyInFlight mixes keys that exist and keys that do not, so that an answer given to the
// wrong request shows.
func manyInFlight(target Target, client *worker.Client) (string, error) {
	calls := make([]*gorpc.AsyncResult, callsInFlight)
	for index := range calls {
		var err error
		if calls[index], err = client.Begin("GetKey", mixedKey(target, index)); err != nil {
			return "", err
		}
	}
	deadline := time.After(worker.CallTimeout)
	for index, call := range calls {
		select {
		case <-call.Done:
		case <-deadline:
			return "", fmt.Errorf("call %d is not answered", index)
		}
		var err error
		if mixedKey(target, index) == target.ExistingKey {
			_, err = target.checkKnownKey(call.Response, call.Error)
		} else {
			_, err = want.NotFound(call.Response, call.Error)
		}
		if err != nil {
			return "", fmt.Errorf("call %d: %w", index, err)
		}
	}
	return fmt.Sprintf("%d calls", len(calls)), nil
}

func mixedKey(target Target, index int) string {
	if target.ExistingKey != "" && index%2 == 0 {
		return target.ExistingKey
	}
	return fmt.Sprintf("%s-%d", missingKey, index)
}

// everyConnection calls until each pool member has carried a request: gorpc deals them out
// at random. Any Access Denied means that the login was not shared.
func everyConnection(target Target, client *worker.Client) (string, error) {
	before := client.Written()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, err := manyInFlight(target, client); err != nil {
			return "", err
		}
		now := client.Written()
		idle := 0
		for index := range before {
			if now[index] == before[index] {
				idle++
			}
		}
		if idle == 0 {
			return fmt.Sprintf("%d connections carried calls", len(before)), nil
		}
	}
	return "", fmt.Errorf("bytes written stay at %v", client.Written())
}

// outOfOrder shares one connection between a long poll and calls that must overtake it.
func outOfOrder(target Target) (string, error) {
	client := target.Open(worker.Current(), 1, "")
	defer client.Stop()
	if _, err := target.login(client); err != nil {
		return "", want.Prefix("login", err)
	}
	for attempt := 0; attempt < 3; attempt++ {
		poll, err := client.Begin("CheckReload", target.Org)
		if err != nil {
			return "", err
		}
		started := time.Now()
		if _, err := manyInFlight(target, client); err != nil {
			return "", err
		}
		took := time.Since(started)
		if took > 4*time.Second {
			return "", fmt.Errorf("%d calls took %s behind a long poll", callsInFlight, took)
		}
		select {
		case <-poll.Done: // the first poll of a new gateway may say "reload" at once
			continue
		default:
			return fmt.Sprintf("%d calls overtook a long poll", callsInFlight), nil
		}
	}
	return "", errors.New("CheckReload was never held")
}

// sameConnections fails when a connection was lost and dialled again on the way, which a
// client of gorpc hides.
func sameConnections(client *worker.Client, connections int) (string, error) {
	if err := client.WaitDials(connections, 10*time.Second); err != nil {
		return "", err
	}
	if dials := client.Dials(); dials != connections {
		return "", fmt.Errorf("%d dials for %d connections", dials, connections)
	}
	return fmt.Sprintf("%d dials", connections), nil
}
