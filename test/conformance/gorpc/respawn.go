package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"causeway.test/conformance/gorpc/report"
)

// respawn runs a scenario in a process of its own with the same flags and passes its steps on.
func respawn(name string, reporter *report.Reporter) error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	var arguments []string
	flag.Visit(func(set *flag.Flag) {
		arguments = append(arguments, fmt.Sprintf("-%s=%s", set.Name, set.Value))
	})
	command := exec.Command(executable, append(arguments, name)...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		var line report.Line
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			return errors.Join(err, command.Wait())
		}
		reporter.Add(line)
	}
	err = command.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitStepFailed {
		return nil // the failed step has been passed on
	}
	return err
}
