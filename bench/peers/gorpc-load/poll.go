package main

import (
	"math/rand/v2"
	"time"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/worker"
)

var keepalive = apidef.InboundData{KeyName: "rpc.listener.0000", SessionState: "0000", Timeout: 10}

// pollLikeGateways runs the five loops of each idle gateway: keepalive, the health check's
// login and the key-space poll at an interval, and both long polls back to back. Latency
// is that of the first three; the long polls are held on purpose.
func pollLikeGateways(fleet *fleet, run settings, stop <-chan struct{}) {
	for _, member := range fleet.gateways {
		go every(run.interval, stop, func() { member.repeat("SetKey", keepalive) })
		go every(run.interval, stop, func() { member.timed("LoginWithGroup", member.login) })
		go every(run.interval, stop, func() { member.repeat("GetGroupKeySpaceUpdate", member.keys) })
		go member.longPoll("CheckReload", run.org, stop)
		go member.longPoll("CheckIdPReload", run.org, stop)
	}
	<-stop
}

// every spreads the first runs over the interval, so that a fleet opened at once does not
// beat in time.
func every(interval time.Duration, stop <-chan struct{}, task func()) {
	pause := time.Duration(rand.Int64N(int64(interval)))
	for {
		select {
		case <-stop:
			return
		case <-time.After(pause):
			task()
		}
		pause = interval
	}
}

// repeat logs in and calls again when the session is gone, as a gateway does.
func (g *gateway) repeat(method string, argument any) {
	if _, err := g.timed(method, argument); err != nil && err.Error() == worker.AccessDenied {
		if _, err := g.timed("LoginWithGroup", g.login); err == nil {
			g.timed(method, argument)
		}
	}
}

func (g *gateway) longPoll(method, org string, stop <-chan struct{}) {
	for !stopped(stop) {
		_, err := g.Call(method, org)
		if stopped(stop) {
			return
		}
		g.fleet.longPolls.Add(1)
		if err != nil {
			g.fleet.failed(method, err)
			time.Sleep(time.Second)
		}
	}
}
