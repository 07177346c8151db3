package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/TykTechnologies/gorpc"
)

// console reads control lines and prints JSON lines:
//
//	stats                  prints the numbers
//	gc                     gives memory back that is of no more use
//	event <group> <event>  queues a key event
//	reload                 ends every CheckReload with true
type console struct {
	hub    *Hub
	server *gorpc.Server
	mutex  sync.Mutex
	out    io.Writer
}

func (c *console) read(in io.Reader) {
	for scanner := bufio.NewScanner(in); scanner.Scan(); {
		words := strings.Fields(scanner.Text())
		switch {
		case len(words) == 0:
		case words[0] == "stats":
			c.printStats()
		case words[0] == "gc":
			debug.FreeOSMemory()
			c.print(map[string]any{"type": "gc"})
		case words[0] == "event" && len(words) == 3:
			c.hub.enqueue(words[1], words[2])
			c.print(map[string]any{"type": "queued", "group": words[1], "event": words[2]})
		case words[0] == "reload":
			c.hub.announceReload()
			c.print(map[string]any{"type": "reload"})
		default:
			c.print(map[string]any{"type": "error", "line": scanner.Text()})
		}
	}
}

func (c *console) print(line map[string]any) {
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	fmt.Fprintf(c.out, "%s\n", bytes)
}

// printStats gives totals since the start: a harness takes the difference of two lines and
// divides the processor time by the calls.
func (c *console) printStats() {
	user, system := cpuTime()
	traffic := c.server.Stats.Snapshot()
	c.hub.mutex.RLock()
	connections := len(c.hub.connections)
	c.hub.mutex.RUnlock()
	c.print(map[string]any{
		"type": "stats", "calls": traffic.RPCCalls, "connections": connections,
		"cpu_us": user + system, "cpu_user_us": user, "cpu_system_us": system, "rss_bytes": residentBytes(),
		"goroutines": runtime.NumGoroutine(), "bytes_read": traffic.BytesRead, "bytes_written": traffic.BytesWritten,
	})
}

func cpuTime() (userMicroseconds, systemMicroseconds int64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() / 1000, usage.Stime.Nano() / 1000
}

// residentBytes is 0 where there is no /proc.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, resident int64
	if _, err := fmt.Sscan(string(text), &total, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
