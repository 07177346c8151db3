// Package report prints one JSON object a line for a harness to read.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"
)

// Line is one step of a scenario.
type Line struct {
	Scenario string `json:"scenario"`
	Step     string `json:"step"`
	OK       bool   `json:"ok"`
	Detail   string `json:"detail"`
	Ms       int64  `json:"ms"`
}

// Reporter writes lines and remembers whether one failed.
type Reporter struct {
	mutex    sync.Mutex
	out      io.Writer
	scenario string
	failed   bool
}

// New returns a reporter that writes to out.
func New(out io.Writer) *Reporter { return &Reporter{out: out} }

// Begin names the scenario of the lines that follow.
func (r *Reporter) Begin(scenario string) { r.scenario = scenario }

// Failed tells whether any step failed so far.
func (r *Reporter) Failed() bool { return r.failed }

// Step runs one check, prints its line and returns whether it held.
func (r *Reporter) Step(name string, check func() (string, error)) bool {
	started := time.Now()
	detail, err := guard(check)
	if err != nil {
		detail = err.Error()
	}
	r.Add(Line{
		Scenario: r.scenario,
		Step:     name,
		OK:       err == nil,
		Detail:   detail,
		Ms:       time.Since(started).Milliseconds(),
	})
	return err == nil
}

// Note prints a line that cannot fail, for a harness that waits for a moment.
func (r *Reporter) Note(name, detail string) {
	r.Add(Line{Scenario: r.scenario, Step: name, OK: true, Detail: detail})
}

// Add prints a finished line.
func (r *Reporter) Add(line Line) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !line.OK {
		r.failed = true
	}
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(r.out, "%s\n", bytes)
}

// guard turns a panic into a failed step: a gateway would crash where a check panics.
func guard(check func() (string, error)) (detail string, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	return check()
}
