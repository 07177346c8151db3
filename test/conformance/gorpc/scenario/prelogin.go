package scenario

import (
	"errors"
	"fmt"
	"time"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// Prelogin calls before the login, as a gateway does at each start.
func Prelogin(target Target, reporter *report.Reporter) {
	reporter.Step("held-until-login", func() (string, error) { return heldUntilLogin(target) })
	reporter.Step("denied-without-login", func() (string, error) {
		return deniedWithout(target, "GetKey", target.KnownKey())
	})
	reporter.Step("definitions-denied-without-login", func() (string, error) {
		return deniedWithout(target, "GetPolicies", target.Org)
	})
	reporter.Step("denied-after-refused-login", func() (string, error) {
		client := target.Open(worker.Current(), 1, "")
		defer client.Stop()
		answer, err := client.Call("Login", target.BadKey)
		if _, err := want.Refused(answer, err); err != nil {
			return "", err
		}
		return denied(client, "GetKey", target.KnownKey())
	})
}

// heldUntilLogin uses two clients of one connection each under one connection id: inside a
// pool nobody can choose the connection a call takes.
func heldUntilLogin(target Target) (string, error) {
	early := target.Open(worker.Current(), 1, "")
	defer early.Stop()
	late := target.Open(worker.Current(), 1, early.ConnectionID())
	defer late.Stop()

	call, err := early.Begin("GetKey", target.KnownKey())
	if err != nil {
		return "", err
	}
	select {
	case <-call.Done:
		return "", fmt.Errorf("answered before the login: %v, %v", call.Response, call.Error)
	case <-time.After(300 * time.Millisecond):
	}
	if _, err := target.login(late); err != nil {
		return "", want.Prefix("login", err)
	}
	loggedIn := time.Now()
	select {
	case <-call.Done:
	case <-time.After(5 * time.Second):
		return "", errors.New("still held 5 s after the login")
	}
	if _, err := target.checkKnownKey(call.Response, call.Error); err != nil {
		return "", err
	}
	return fmt.Sprintf("answered %s after the login", time.Since(loggedIn).Round(time.Millisecond)), nil
}

func deniedWithout(target Target, method string, argument any) (string, error) {
	client := target.Open(worker.Current(), 1, "")
	defer client.Stop()
	return denied(client, method, argument)
}

// denied demands exactly the text that makes a gateway log in.
func denied(client *worker.Client, method string, argument any) (string, error) {
	started := time.Now()
	answer, err := client.Call(method, argument)
	if err == nil {
		return "", fmt.Errorf("a %T without a session", answer)
	}
	if err.Error() != worker.AccessDenied {
		return "", fmt.Errorf("error %q instead of %q", err, worker.AccessDenied)
	}
	return fmt.Sprintf("%s after %s", err, time.Since(started).Round(time.Millisecond)), nil
}
