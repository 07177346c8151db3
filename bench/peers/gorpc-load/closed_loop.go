package main

import (
	"sync"

	"causeway.test/conformance/gorpc/apidef"
)

// closedLoop keeps a fixed number of calls in flight for each gateway: the next begins
// when one ends, so a slow server is asked less and its latency is not overstated.
func closedLoop(fleet *fleet, run settings, stop <-chan struct{}) {
	argument := any(run.keyName)
	if run.method == "GetApiDefinitions" {
		argument = apidef.DefRequest{OrgId: run.org, LoadOAS: true}
	}
	var group sync.WaitGroup
	for _, member := range fleet.gateways {
		for range run.inFlight {
			group.Add(1)
			go func() {
				defer group.Done()
				for !stopped(stop) {
					member.timed(run.method, argument)
				}
			}()
		}
	}
	group.Wait()
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}
