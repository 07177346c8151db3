package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The reference server and the conformance client test each other: what fails here is
// wrong in one of the two, not in the wire.

var serverBinary, clientBinary string

func TestMain(m *testing.M) {
	directory, err := os.MkdirTemp("", "gorpc-conformance")
	if err != nil {
		panic(err)
	}
	serverBinary, clientBinary = filepath.Join(directory, "server"), filepath.Join(directory, "client")
	build(".", serverBinary)
	build("../../../test/conformance/gorpc", clientBinary)
	code := m.Run()
	os.RemoveAll(directory)
	os.Exit(code)
}

func build(directory, output string) {
	command := exec.Command("go", "build", "-o", output, ".")
	command.Dir = directory
	if text, err := command.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, text))
	}
}

type peer struct {
	t       *testing.T
	command *exec.Cmd
	control io.Writer
	address string
}

func startServer(t *testing.T, arguments ...string) *peer {
	t.Helper()
	command := exec.Command(serverBinary, append([]string{"-follow-stdin"}, arguments...)...)
	control, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	server := &peer{t: t, command: command, control: control}
	t.Cleanup(server.stop)
	var line struct{ Addr string }
	if err := json.NewDecoder(output).Decode(&line); err != nil {
		t.Fatal(err)
	}
	server.address = line.Addr
	go io.Copy(io.Discard, output)
	return server
}

func (p *peer) stop() {
	if p.command.ProcessState == nil {
		p.command.Process.Signal(syscall.SIGTERM)
		p.command.Wait()
	}
}

func (p *peer) tell(line string) { fmt.Fprintln(p.control, line) }

// run drives the client and returns its steps; seen is called with each as it appears.
func (p *peer) run(seen func(step string), arguments ...string) (failed []string, steps int) {
	p.t.Helper()
	command := exec.Command(clientBinary, append([]string{"-addr", p.address}, arguments...)...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	for scanner := bufio.NewScanner(output); scanner.Scan(); steps++ {
		var line struct {
			Scenario, Step, Detail string
			OK                     bool
		}
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			p.t.Fatal(err)
		}
		if !line.OK {
			failed = append(failed, line.Scenario+"/"+line.Step+": "+line.Detail)
		}
		seen(line.Step)
	}
	if err := command.Wait(); (err != nil) != (len(failed) > 0) {
		p.t.Errorf("exit %v with %d failed steps", err, len(failed))
	}
	return failed, steps
}

func (p *peer) passes(seen func(step string), arguments ...string) {
	p.t.Helper()
	failed, steps := p.run(seen, arguments...)
	if len(failed) > 0 || steps == 0 {
		p.t.Errorf("%d steps, failed: %s", steps, strings.Join(failed, "; "))
	}
}

func ignore(string) {}

var knownKey = []string{
	"-existing-key", "apikey-1234",
	"-expect-value", `{"org_id":"5e9d9544a1dcd60001d0ed20","rate":1000}`,
	"-min-definitions", "1",
}

func TestEveryMethod(t *testing.T) {
	server := startServer(t, "-hold", "6s")
	server.passes(ignore, append(knownKey, "every-method")...)
}

func TestShortScenarios(t *testing.T) {
	for name, mode := range map[string][2][]string{
		"deflate": {},
		"plain":   {nil, {"-compress=false"}},
		"tls":     {{"-tls"}, {"-tls"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, append(mode[0], "-login-wait", "500ms")...)
			arguments := append(append([]string{}, knownKey...), mode[1]...)
			server.passes(ignore, append(arguments, "-skip-hold", "every-method", "old-definitions",
				"pool", "prelogin", "old-gateway", "old-pump", "big", "id0")...)
		})
	}
}

func TestRestart(t *testing.T) {
	server := startServer(t)
	server.passes(func(step string) {
		if step == "ready-for-restart" {
			server.stop()
			startServer(t, "-addr", server.address)
		}
	}, append(knownKey, "-graceful", "restart")...)
}

func TestEvents(t *testing.T) {
	server := startServer(t)
	server.passes(func(step string) {
		if step == "ready-for-events" {
			server.tell("event zone-a abc:hashed")
			server.tell("event zone-a cert:CertificateAdded")
			server.tell("event zone-b other:hashed")
		}
	}, "-expect", "abc:hashed,cert:CertificateAdded", "events")
}

func TestDropConnection(t *testing.T) {
	server := startServer(t)
	server.tell("event zone-a abc:hashed")
	server.passes(ignore, "drop-connection")
}

// TestFailuresShow keeps the client honest: a check that cannot fail proves nothing.
func TestFailuresShow(t *testing.T) {
	for name, mode := range map[string]struct{ server, client []string }{
		"wrong user":       {[]string{"-key", "another"}, []string{"every-method"}},
		"short hold":       {[]string{"-hold", "1s"}, []string{"every-method"}},
		"no pre-login":     {[]string{"-login-wait", "1ms"}, []string{"prelogin"}},
		"wrong value":      {nil, []string{"-existing-key", "apikey-1234", "-expect-value", "x", "-skip-hold", "every-method"}},
		"no events":        {nil, []string{"-deadline", "1s", "-expect", "abc", "events"}},
		"no restart":       {[]string{"-hold", "100ms"}, []string{"-deadline", "1s", "restart"}},
		"few definitions":  {nil, []string{"-min-definitions", "9", "-skip-hold", "every-method"}},
		"unknown scenario": {nil, []string{"nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, mode.server...)
			command := exec.Command(clientBinary, append([]string{"-addr", server.address}, mode.client...)...)
			done := time.AfterFunc(60*time.Second, func() { command.Process.Kill() })
			defer done.Stop()
			if err := command.Run(); err == nil {
				t.Error("passed")
			}
		})
	}
}
