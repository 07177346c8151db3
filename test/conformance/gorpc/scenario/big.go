package scenario

import (
	"crypto/rand"
	"strings"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/want"
	"causeway.test/conformance/gorpc/worker"
)

const bigKeyBytes = 100_000

// Big asks for keys larger than the 64 KiB buffers and the 32 KiB deflate window: one that
// shrinks to nothing, one that does not shrink at all and is no UTF-8 either.
func Big(target Target, reporter *report.Reporter) {
	client := target.Open(worker.Current(), 1, "")
	defer client.Stop()
	if !reporter.Step("login", func() (string, error) { return target.login(client) }) {
		return
	}
	random := make([]byte, bigKeyBytes)
	if _, err := rand.Read(random); err != nil {
		panic(err)
	}
	for step, key := range map[string]string{
		"compressible-key": strings.Repeat("k", bigKeyBytes),
		"random-key":       string(random),
	} {
		reporter.Step(step, func() (string, error) {
			answer, err := client.Call("GetKey", "apikey-"+key)
			detail, err := want.NotFound(answer, err)
			return want.Brief(detail), err
		})
	}
	reporter.Step("small-key-after", func() (string, error) {
		answer, err := client.Call("GetKey", target.KnownKey())
		return target.checkKnownKey(answer, err)
	})
	reporter.Step("no-connection-lost", func() (string, error) { return sameConnections(client, 1) })
}
