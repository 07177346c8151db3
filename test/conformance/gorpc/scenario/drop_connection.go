package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/worker"
)

// DropConnection loses the connection that carried a batch of events before the poll that
// would confirm it. The same gateway must be given the batch again. The harness queues
// events for the group before, or when "ready-for-events" is printed.
func DropConnection(target Target, reporter *report.Reporter) {
	client := target.Open(worker.Current(), 1, "")
	defer client.Stop()
	if !reporter.Step("login", func() (string, error) { return target.login(client) }) {
		return
	}
	reporter.Note("ready-for-events", target.Group)

	var first, second []string
	if !reporter.Step("first-batch", func() (detail string, err error) {
		first, err = pollUntilEvents(target, client)
		return strings.Join(first, ","), err
	}) {
		return
	}
	reporter.Step("drop-and-redial", func() (string, error) {
		client.Drop()
		return "", client.WaitDials(2, 10*time.Second)
	})
	reporter.Step("same-batch-again", func() (detail string, err error) {
		if second, err = pollUntilEvents(target, client); err != nil {
			return "", err
		}
		for _, event := range first {
			if !slices.Contains(second, event) {
				return "", fmt.Errorf("%q is lost, got %s", event, strings.Join(second, ","))
			}
		}
		return strings.Join(second, ","), nil
	})
	reporter.Step("not-a-third-time", func() (string, error) {
		third, err := pollEvents(target, client)
		if err != nil {
			return "", err
		}
		for _, event := range third {
			if slices.Contains(second, event) {
				return "", fmt.Errorf("%q again after it was confirmed", event)
			}
		}
		return fmt.Sprintf("%d new events", len(third)), nil
	})
}

// pollUntilEvents polls until a batch is not empty. A session outlives its connections, so
// Access Denied is an error here.
func pollUntilEvents(target Target, client *worker.Client) ([]string, error) {
	for deadline := time.Now().Add(target.Deadline); time.Now().Before(deadline); {
		batch, err := pollEvents(target, client)
		if err != nil || len(batch) > 0 {
			return batch, err
		}
		time.Sleep(target.PollInterval)
	}
	return nil, errors.New("no events")
}
