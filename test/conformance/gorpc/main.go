// Command gorpc drives a control plane the way a gateway's own gorpc client does and
// prints one JSON object a step. It exits with 1 when a step failed, with 2 on wrong usage.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"causeway.test/conformance/gorpc/report"
	"causeway.test/conformance/gorpc/scenario"
)

const (
	exitStepFailed = 1
	exitWrongUsage = 2
)

func main() {
	scenarios := scenario.All()
	scenarios["old-gateway"] = oldGateway

	target := parseFlags()
	names := flag.Args()
	if len(names) == 0 {
		usage(scenarios, "no scenario given")
	}
	for _, name := range names {
		if scenarios[name] == nil {
			usage(scenarios, "unknown scenario "+name)
		}
	}
	reporter := report.New(os.Stdout)
	if len(names) == 1 {
		reporter.Begin(names[0])
		scenarios[names[0]](target, reporter)
	} else {
		runApart(names, reporter)
	}
	if reporter.Failed() {
		os.Exit(exitStepFailed)
	}
}

// runApart gives each scenario its process, so that each knows the types of one client
// only: an answer under a name it does not know kills its connection, as it would there.
func runApart(names []string, reporter *report.Reporter) {
	for _, name := range names {
		reporter.Begin(name)
		if err := respawn(name, reporter); err != nil {
			reporter.Step("run", func() (string, error) { return "", err })
		}
	}
}

func parseFlags() scenario.Target {
	var target scenario.Target
	flag.StringVar(&target.Address, "addr", "127.0.0.1:9091", "host:port of the server")
	flag.StringVar(&target.Org, "org", "5e9d9544a1dcd60001d0ed20", "organisation id, a gateway's rpc_key")
	flag.StringVar(&target.Key, "key", "good-key", "API key of a user of the organisation")
	flag.StringVar(&target.BadKey, "bad-key", "no-such-user-key", "API key of nobody")
	flag.StringVar(&target.Group, "group", "zone-a", "group id of the gateway")
	flag.StringVar(&target.ForeignOrg, "foreign-org", "ffffffffffffffffffffffff", "an organisation the user is not of")
	flag.BoolVar(&target.TLS, "tls", false, "dial with TLS, without verifying")
	compress := flag.Bool("compress", true, "deflate both directions, as every gateway does")
	flag.IntVar(&target.Connections, "conns", 5, "connections in the pool")
	flag.BoolVar(&target.Verbose, "verbose", false, "print gorpc's own log to stderr")

	flag.StringVar(&target.ExistingKey, "existing-key", "", "full name of a key the organisation may read")
	flag.StringVar(&target.ExpectedValue, "expect-value", "", "its value; empty accepts any")
	tags := flag.String("tags", "", "comma-separated tags of a segmented gateway")
	flag.IntVar(&target.DefinitionsMin, "min-definitions", 0, "fewest API definitions to accept")
	flag.IntVar(&target.PoliciesMin, "min-policies", 0, "fewest policies to accept")
	flag.BoolVar(&target.SkipHold, "skip-hold", false, "do not wait for the long polls of every-method")
	flag.BoolVar(&target.Graceful, "graceful", false, "restart: the pending poll must be answered, not cut")
	expect := flag.String("expect", "", "events: comma-separated events to wait for")
	flag.DurationVar(&target.Deadline, "deadline", 60*time.Second, "longest wait for events or a restart")
	flag.DurationVar(&target.PollInterval, "poll-interval", 200*time.Millisecond, "pause between two polls for events")
	flag.Parse()

	target.Plain = !*compress
	target.Tags = split(*tags)
	target.Expect = split(*expect)
	target.Respawn = respawn
	return target
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func usage(scenarios map[string]scenario.Scenario, problem string) {
	names := make([]string, 0, len(scenarios))
	for name := range scenarios {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "%s\nscenarios: %s\n", problem, strings.Join(names, " "))
	os.Exit(exitWrongUsage)
}
