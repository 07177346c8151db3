package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// Events polls the key events of the group until all expected ones have arrived, and
// prints a step for each event. It prints "ready-for-events" once logged in.
func Events(target Target, reporter *report.Reporter) {
	client := target.open()
	defer client.Stop()
	if !reporter.Step("login", func() (string, error) { return target.login(client) }) {
		return
	}
	reporter.Note("ready-for-events", target.Group)
	reporter.Step("all-arrived", func() (string, error) {
		missing := slices.Clone(target.Expect)
		started := time.Now()
		for {
			batch, err := pollEvents(target, client)
			if err != nil {
				return "", err
			}
			for _, event := range batch {
				reporter.Add(report.Line{
					Scenario: "events", Step: "event", OK: true, Detail: event,
					Ms: time.Since(started).Milliseconds(),
				})
				missing = slices.DeleteFunc(missing, func(expected string) bool { return expected == event })
			}
			if len(missing) == 0 {
				return fmt.Sprintf("%d expected events", len(target.Expect)), confirm(target, client, batch)
			}
			if time.Since(started) > target.Deadline {
				return "", fmt.Errorf("missing: %s", strings.Join(missing, ", "))
			}
			time.Sleep(target.PollInterval)
		}
	})
}

// confirm polls once more after a batch: the next poll is the only acknowledgement the
// protocol has, and without it the batch would go out again.
func confirm(target Target, client *worker.Client, batch []string) error {
	if len(batch) == 0 {
		return nil
	}
	_, err := pollEvents(target, client)
	return err
}

func pollEvents(target Target, client *worker.Client) ([]string, error) {
	request := apidef.GroupKeySpaceRequest{OrgID: target.Org, GroupID: target.Group}
	answer, err := client.Call("GetGroupKeySpaceUpdate", request)
	return want.Strings(answer, err)
}
