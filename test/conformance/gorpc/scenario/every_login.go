package scenario

import (
	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

// everyLogin covers Login, LoginWithGroup, Ping and Disconnect. The refused logins use
// connection ids of their own, so that they cannot spoil a session.
func everyLogin(target Target, reporter *report.Reporter, grouped, plain *worker.Client) bool {
	reporter.Step("ping-before-login", func() (string, error) {
		return ping(grouped)
	})
	reporter.Step("login-bad-key", func() (string, error) {
		stranger := target.Open(worker.Current(), 1, "")
		defer stranger.Stop()
		answer, err := stranger.Call("Login", target.BadKey)
		return want.Refused(answer, err)
	})
	ok := reporter.Step("login", func() (string, error) {
		answer, err := plain.Call("Login", target.Key)
		return want.True(answer, err)
	})
	reporter.Step("login-again", func() (string, error) {
		answer, err := plain.Call("Login", target.Key)
		return want.True(answer, err)
	})
	reporter.Step("login-with-group-bad-key", func() (string, error) {
		stranger := target.Open(worker.Current(), 1, "")
		defer stranger.Stop()
		answer, err := stranger.Call("LoginWithGroup", target.groupLogin(target.BadKey))
		return want.Refused(answer, err)
	})
	ok = reporter.Step("login-with-group", func() (string, error) {
		return target.login(grouped)
	}) && ok
	reporter.Step("login-with-group-again", func() (string, error) {
		return target.login(grouped)
	})
	reporter.Step("login-with-group-broken-node", func() (string, error) {
		login := target.groupLogin(target.Key)
		login.Node = []byte("{not json")
		answer, err := grouped.Call("LoginWithGroup", login)
		return want.True(answer, err)
	})
	reporter.Step("ping", func() (string, error) {
		return ping(grouped)
	})
	reporter.Step("disconnect", func() (string, error) {
		leaving := target.Open(worker.Current(), 1, "")
		defer leaving.Stop()
		if _, err := target.login(leaving); err != nil {
			return "", want.Prefix("login", err)
		}
		answer, err := leaving.Call("Disconnect", target.groupLogin(target.Key))
		return want.Done(answer, err)
	})
	reporter.Step("disconnect-without-session", func() (string, error) {
		stranger := target.Open(worker.Current(), 1, "")
		defer stranger.Stop()
		answer, err := stranger.Call("Disconnect", target.groupLogin(target.Key))
		return want.Done(answer, err)
	})
	return ok
}

// ping expects the declared result, though gateways and pumps look only at the error.
func ping(client *worker.Client) (string, error) {
	answer, err := client.Call("Ping", nil)
	return want.True(answer, err)
}
