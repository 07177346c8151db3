package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// connect reads the preamble and names the connection: the connection id, which all
// connections of a gateway share, and a number of its own.
func (h *Hub) connect(conn net.Conn) (net.Conn, string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, "", err
	}
	head := make([]byte, len("proto2")+1)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, "", err
	}
	if string(head[:6]) != "proto2" {
		return nil, "", errors.New("no preamble")
	}
	id := make([]byte, head[6])
	if _, err := io.ReadFull(conn, id); err != nil {
		return nil, "", err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, "", err
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.serial++
	address := fmt.Sprintf("%s#%d", id, h.serial)
	h.connections[address] = true
	return &countedConn{Conn: conn, closed: func() { h.forget(address) }}, address, nil
}

func (h *Hub) forget(address string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.connections, address)
}

// connectionID cuts the number off.
func connectionID(address string) string {
	id, _, _ := strings.Cut(address, "#")
	return id
}

// countedConn tells the hub when gorpc lets a connection go.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
