package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/worker"
)

// fleet is all gateways of a run and what they measured.
type fleet struct {
	gateways   []*gateway
	latency    histogram
	errors     atomic.Int64
	longPolls  atomic.Int64 // answered ones, which the latency leaves out
	firstError atomic.Value // text
	cpuAtStart int64        // of this process, so that a shared machine can be judged
}

type gateway struct {
	*worker.Client
	fleet *fleet
	login apidef.GroupLoginRequest
	keys  apidef.GroupKeySpaceRequest
}

// dialsAtOnce keeps a large fleet from overflowing the server's accept queue, which would
// measure retransmissions instead of the server.
const dialsAtOnce = 32

// pendingRequests is gorpc's queue, far below its default: that costs 256 KiB a gateway
// and nothing of it shows on the wire.
const pendingRequests = 1024

func openFleet(run settings) (*fleet, error) {
	fleet := &fleet{gateways: make([]*gateway, run.gateways)}
	slots := make(chan struct{}, dialsAtOnce)
	var group sync.WaitGroup
	var failure atomic.Value
	for index := range fleet.gateways {
		group.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; group.Done() }()
			member, err := openGateway(fleet, run, index)
			if err != nil {
				failure.Store(fmt.Errorf("gateway %d: %w", index, err))
				return
			}
			fleet.gateways[index] = member
		}()
	}
	group.Wait()
	err, _ := failure.Load().(error)
	return fleet, err
}

func openGateway(fleet *fleet, run settings, index int) (*gateway, error) {
	zone := run.group
	if run.zones > 1 {
		zone = fmt.Sprintf("%s-%d", run.group, index%run.zones)
	}
	member := &gateway{
		fleet: fleet,
		login: apidef.GroupLoginRequest{UserKey: run.key, GroupID: zone, Node: node(run, zone, index)},
		keys:  apidef.GroupKeySpaceRequest{OrgID: run.org, GroupID: zone},
		Client: worker.Start(worker.Options{
			Address: run.address, Connections: run.connections, TLS: run.tls, Plain: run.plain,
			Functions: worker.Current(), PendingRequests: max(pendingRequests, 2*run.inFlight),
		}),
	}
	if err := member.WaitDials(run.connections, 30*time.Second); err != nil {
		return nil, err
	}
	answer, err := member.Call("LoginWithGroup", member.login)
	if err == nil && answer != true {
		err = errors.New("login refused")
	}
	return member, err
}

func node(run settings, zone string, index int) []byte {
	return []byte(fmt.Sprintf(`{"node_id":"solo-%s","api_key":%q,"group_id":%q,"node_version":"v5.14.0","ttl":10,`+
		`"node_is_segmented":false,"tags":null,"health":{},"stats":{"apis_count":0,"policies_count":0},`+
		`"host_details":{"Hostname":"load-%d","PID":%d,"Address":"127.0.0.1"}}`,
		worker.NewConnectionID(), run.key, zone, index, index+1))
}

// timed makes one call and records it.
func (g *gateway) timed(method string, argument any) (any, error) {
	started := time.Now()
	answer, err := g.Call(method, argument)
	g.fleet.latency.add(time.Since(started))
	if err != nil {
		g.fleet.failed(method, err)
	}
	return answer, err
}

func (f *fleet) failed(method string, err error) {
	f.errors.Add(1)
	f.firstError.CompareAndSwap(nil, method+": "+err.Error())
}

func (f *fleet) result(measured time.Duration) map[string]any {
	calls := f.latency.count()
	line := map[string]any{
		"type": "result", "calls": calls, "errors": f.errors.Load(), "seconds": measured.Seconds(),
		"calls_per_second": float64(calls) / measured.Seconds(),
		"p50_us":           f.latency.quantile(0.50), "p90_us": f.latency.quantile(0.90),
		"p99_us": f.latency.quantile(0.99), "max_us": f.latency.quantile(1),
		"long_polls": f.longPolls.Load(), "client_cpu_us": cpuTime() - f.cpuAtStart,
	}
	if text := f.firstError.Load(); text != nil {
		line["first_error"] = text
	}
	return line
}

// cpuTime is the processor time of this process in microseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return (usage.Utime.Nano() + usage.Stime.Nano()) / 1000
}
