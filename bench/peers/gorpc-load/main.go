// Command gorpc-load puts load on a control plane with the gorpc client that gateways use,
// and prints JSON lines: one when all gateways are logged in, one with the result.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings of one run.
type settings struct {
	address     string
	org         string
	key         string
	group       string
	zones       int
	keyName     string
	keyCount    int
	gateways    int
	connections int
	inFlight    int
	duration    time.Duration
	interval    time.Duration
	method      string
	tls         bool
	plain       bool
}

func main() {
	var run settings
	flag.StringVar(&run.address, "addr", "127.0.0.1:9091", "host:port of the server")
	flag.StringVar(&run.org, "org", "5e9d9544a1dcd60001d0ed20", "organisation id")
	flag.StringVar(&run.key, "key", "good-key", "API key of a user of the organisation")
	flag.StringVar(&run.group, "group", "zone", "group id; with -zones a number is added")
	flag.IntVar(&run.zones, "zones", 1, "groups the gateways are dealt over")
	flag.StringVar(&run.keyName, "existing-key", "apikey-1234", "the key that GetKey asks for")
	flag.IntVar(&run.keyCount, "key-count", 1, "keys that GetKey asks for in turn; with more than one their names end in a number")
	flag.IntVar(&run.gateways, "gateways", 1, "gateways, each with a connection id of its own")
	flag.IntVar(&run.connections, "conns", 5, "connections of each gateway")
	flag.IntVar(&run.inFlight, "inflight", 50, "calls in flight for each gateway")
	flag.DurationVar(&run.duration, "duration", 10*time.Second, "length of the measurement; 0 runs until SIGTERM")
	flag.DurationVar(&run.interval, "interval", 10*time.Second, "poll: pause of keepalive, login and key-space poll")
	flag.StringVar(&run.method, "method", "GetKey", "GetKey, GetApiDefinitions, idle or poll")
	flag.BoolVar(&run.tls, "tls", false, "dial with TLS, without verifying")
	compress := flag.Bool("compress", true, "deflate both directions, as every gateway does")
	flag.Parse()
	run.plain = !*compress

	workload, known := map[string]func(*fleet, settings, <-chan struct{}){
		"GetKey":            closedLoop,
		"GetApiDefinitions": closedLoop,
		"idle":              func(_ *fleet, _ settings, stop <-chan struct{}) { <-stop },
		"poll":              pollLikeGateways,
	}[run.method]
	if !known || run.gateways < 1 || run.zones < 1 || run.keyCount < 1 {
		flag.Usage()
		os.Exit(2)
	}

	started := time.Now()
	fleet, err := openFleet(run)
	if err != nil {
		log.Fatal(err)
	}
	printLine(map[string]any{
		"type": "ready", "gateways": run.gateways, "connections": run.gateways * run.connections,
		"connect_ms": time.Since(started).Milliseconds(),
	})
	stop := stopAfter(run.duration)
	measured := time.Now()
	fleet.cpuAtStart = cpuTime()
	workload(fleet, run, stop)
	printLine(fleet.result(time.Since(measured)))
}

// stopAfter closes its channel after the duration or at a signal.
func stopAfter(duration time.Duration) <-chan struct{} {
	stop := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	var timer <-chan time.Time
	if duration > 0 {
		timer = time.After(duration)
	}
	go func() {
		select {
		case <-timer:
		case <-signals:
		}
		close(stop)
	}()
	return stop
}

func printLine(line map[string]any) {
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", bytes)
}
