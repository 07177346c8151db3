// Command gorpc-server is a reference control plane on the real gorpc module with answers
// from memory: the peer that Causeway's wire is measured against, and the server that the
// conformance client is tested with. It speaks JSON lines: the port at start, numbers on
// request and at the end.
package main

import (
	"flag"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/TykTechnologies/gorpc"
)

func main() {
	settings := Settings{Keys: map[string]string{}}
	address := flag.String("addr", "127.0.0.1:0", "host:port to listen on")
	flag.StringVar(&settings.Org, "org", "5e9d9544a1dcd60001d0ed20", "the one organisation there is")
	flag.StringVar(&settings.UserKey, "key", "good-key", "API key that may log in")
	flag.IntVar(&settings.DefinitionsBytes, "definitions-bytes", 0, "size of GetApiDefinitions; 0 is one small definition")
	definitionsFile := flag.String("definitions-file", "", "JSON lines of API definitions, instead of made-up ones")
	flag.DurationVar(&settings.Hold, "hold", 20*time.Second, "how long a long poll is held")
	flag.DurationVar(&settings.LoginWait, "login-wait", 2*time.Second, "how long a call without a session waits for its login")
	keys := flag.String("keys", `apikey-1234={"org_id":"5e9d9544a1dcd60001d0ed20","rate":1000}`, "newline-separated name=value of GetKey")
	keysFile := flag.String("keys-file", "", "file with more of them")
	useTLS := flag.Bool("tls", false, "TLS with a certificate made at start")
	verbose := flag.Bool("verbose", false, "print gorpc's own log to stderr")
	followStdin := flag.Bool("follow-stdin", false, "stop when stdin ends, so that no harness leaves a server behind")
	flag.Parse()
	if *keysFile != "" {
		text, err := os.ReadFile(*keysFile)
		if err != nil {
			log.Fatal(err)
		}
		*keys += "\n" + string(text)
	}
	for _, line := range strings.Split(*keys, "\n") {
		if name, value, found := strings.Cut(line, "="); found {
			settings.Keys[name] = value
		}
	}

	if *definitionsFile != "" {
		var err error
		if settings.Definitions, err = readDefinitions(*definitionsFile); err != nil {
			log.Fatal(err)
		}
	}
	listener, err := listen(*address, *useTLS)
	if err != nil {
		log.Fatal(err)
	}
	hub := NewHub(settings)
	server := &gorpc.Server{
		Handler:   dispatcher(hub).NewHandlerFunc(),
		Listener:  listener,
		OnConnect: hub.connect,
		LogError:  gorpc.NilErrorLogger,
	}
	if *verbose {
		server.LogError = log.Printf
	}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	console := &console{hub: hub, server: server, out: os.Stdout}
	console.print(map[string]any{"type": "listening", "addr": listener.address(), "port": listener.port()})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		console.read(os.Stdin)
		if *followStdin {
			stop <- syscall.SIGTERM
		}
	}()
	<-stop
	console.printStats()
	hub.drain()
	server.Stop()
}
