// Package worker is a gorpc client that dials, pools and calls the way a gateway does.
package worker

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/TykTechnologies/gorpc"
)

// CallTimeout is a gateway's default, for long polls as well.
const CallTimeout = 30 * time.Second

// AccessDenied is the one text that makes a gateway log in and repeat the call.
const AccessDenied = "Access Denied"

// Options of a client. Everything not named here keeps gorpc's default, as in a gateway:
// 64 KiB buffers and a flush as soon as the queue is empty.
type Options struct {
	Address      string
	ConnectionID string // a new one when empty
	Connections  int    // pool size, 5 when 0
	TLS          bool   // without verification
	Plain        bool   // no deflate; a gateway never asks for that
	Functions    Functions
	Log          gorpc.LoggerFunc

	// PendingRequests bounds gorpc's queue; its default of 32,768 costs 256 KiB a client.
	PendingRequests int
}

// Client is one gateway process as the server sees it: one connection id, several connections.
type Client struct {
	options Options
	rpc     *gorpc.Client
	calls   *gorpc.DispatcherClient

	mutex   sync.Mutex
	dials   int
	members []*connection // every one ever dialled, in order
}

// Start opens the pool in the background.
func Start(options Options) *Client {
	if options.ConnectionID == "" {
		options.ConnectionID = NewConnectionID()
	}
	if options.Connections == 0 {
		options.Connections = 5
	}
	if options.Log == nil {
		options.Log = gorpc.NilErrorLogger
	}
	client := &Client{options: options}
	client.rpc = &gorpc.Client{
		Addr:               options.Address,
		Conns:              options.Connections,
		Dial:               client.dial,
		DisableCompression: options.Plain,
		PendingRequests:    options.PendingRequests,
		LogError:           options.Log,
		OnConnect: func(conn net.Conn) (net.Conn, string, error) {
			return conn, conn.RemoteAddr().String(), nil
		},
	}
	dispatcher := gorpc.NewDispatcher()
	for name, function := range options.Functions {
		dispatcher.AddFunc(name, function)
	}
	client.rpc.Start()
	client.calls = dispatcher.NewFuncClient(client.rpc)
	return client
}

// Stop closes the pool.
func (c *Client) Stop() { c.rpc.Stop() }

// ConnectionID tells the id all connections share.
func (c *Client) ConnectionID() string { return c.options.ConnectionID }

// Call sends one request and waits as long as a gateway would.
func (c *Client) Call(method string, argument any) (any, error) {
	return c.calls.CallTimeout(method, argument, CallTimeout)
}

// CallWithin is Call with a timeout of its own.
func (c *Client) CallWithin(timeout time.Duration, method string, argument any) (any, error) {
	return c.calls.CallTimeout(method, argument, timeout)
}

// Begin sends one request and returns at once; read the result after Done.
func (c *Client) Begin(method string, argument any) (*gorpc.AsyncResult, error) {
	return c.calls.CallAsync(method, argument)
}

// Send fires and forgets: request id 0, which must never be answered.
func (c *Client) Send(method string, argument any) error { return c.calls.Send(method, argument) }

func (c *Client) remember(member *connection) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.dials++
	c.members = append(c.members, member)
}

// Dials counts the connections opened since Start.
func (c *Client) Dials() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.dials
}

// WaitDials blocks until so many connections have been opened in all.
func (c *Client) WaitDials(count int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for c.Dials() < count {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d connections after %s", c.Dials(), count, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// Written tells the bytes written on each connection ever opened.
func (c *Client) Written() []int64 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	counts := make([]int64, len(c.members))
	for index, member := range c.members {
		counts[index] = member.written.Load()
	}
	return counts
}

// Drop cuts every connection without a goodbye; the pool redials by itself.
func (c *Client) Drop() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, member := range c.members {
		member.Close()
	}
}
