// Gobgen lets Go's own gob package judge another implementation.
//
//	gobgen emit [seed] [count]   writes streams of Go's encoder, one JSON object a line
//	gobgen check                 reads streams of another encoder and writes what Go's decoder sees in them
//
// Values are written as JSON in the form that plain.go describes.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := json.NewEncoder(out)
	switch {
	case len(args) >= 1 && args[0] == "emit":
		seed, count := int64(1), 200
		if len(args) >= 2 {
			seed, _ = strconv.ParseInt(args[1], 10, 64)
		}
		if len(args) >= 3 {
			count, _ = strconv.Atoi(args[2])
		}
		for _, item := range fixedCases() {
			if err := emit(lines, item); err != nil {
				return err
			}
		}
		for index := 0; index < count; index++ {
			if err := emit(lines, randomCase(seed, index)); err != nil {
				return err
			}
		}
		return nil
	case len(args) == 1 && args[0] == "check":
		return check(os.Stdin, lines)
	}
	return fmt.Errorf("usage: gobgen emit [seed] [count] | gobgen check")
}
