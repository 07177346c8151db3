// Serves the MongoDB protocol from a folder of SQLite files, for tests. The first line on stdout is the URL;
// everything else goes to stderr. Ends when it is told to by SIGTERM or SIGINT.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	folder := flag.String("folder", "", "where the SQLite files live; must exist")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	certificate := flag.String("tls-certificate", "", "PEM file; with it the address takes TLS only")
	key := flag.String("tls-key", "", "PEM file")
	authority := flag.String("tls-client-authority", "", "PEM file; with it clients must show a certificate of it")
	flag.Parse()

	listener := ferretdb.ListenerConfig{TCP: *listen}
	if *certificate != "" {
		listener = ferretdb.ListenerConfig{
			TLS:         *listen,
			TLSCertFile: *certificate,
			TLSKeyFile:  *key,
			TLSCAFile:   *authority,
		}
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  listener,
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + *folder + "/",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() { fmt.Println(server.MongoDBURI()) }()
	if err := server.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
