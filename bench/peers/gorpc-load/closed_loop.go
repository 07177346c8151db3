package main

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"causeway.test/conformance/gorpc/apidef"
)

// closedLoop keeps a fixed number of calls in flight for each gateway: the next begins
// when one ends, so a slow server is asked less and its latency is not overstated.
func closedLoop(fleet *fleet, run settings, stop <-chan struct{}) {
	arguments := keyNames(run)
	if run.method == "GetApiDefinitions" {
		arguments = []any{apidef.DefRequest{OrgId: run.org, LoadOAS: true}}
	}
	var group sync.WaitGroup
	for _, member := range fleet.gateways {
		for range run.inFlight {
			group.Add(1)
			go func() {
				defer group.Done()
				for turn := rand.IntN(len(arguments)); !stopped(stop); turn++ {
					member.timed(run.method, arguments[turn%len(arguments)])
				}
			}()
		}
	}
	group.Wait()
}

// keyNames are the raw names to ask for, made once: the client's own cost is none of the
// server's.
func keyNames(run settings) []any {
	if run.keyCount == 1 {
		return []any{run.keyName}
	}
	names := make([]any, run.keyCount)
	for index := range names {
		names[index] = fmt.Sprintf("%s-%d", run.keyName, index)
	}
	return names
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}
