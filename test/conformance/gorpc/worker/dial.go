package worker

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// NewConnectionID returns a lower-case UUID v4, the form every gateway sends.
func NewConnectionID() string {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		panic(err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// connection counts what was written, so that a scenario can prove a pool member was used.
type connection struct {
	net.Conn
	written atomic.Int64
}

func (c *connection) Write(bytes []byte) (int, error) {
	n, err := c.Conn.Write(bytes)
	c.written.Add(int64(n))
	return n, err
}

// dial opens one pool member. The preamble goes out as three writes because a gateway's
// does; gorpc adds the handshake byte as the fourth.
func (c *Client) dial(address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	var raw net.Conn
	var err error
	if c.options.TLS {
		raw, err = tls.DialWithDialer(dialer, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	} else {
		raw, err = dialer.Dial("tcp", address)
	}
	if err != nil {
		return nil, err
	}
	id := c.options.ConnectionID
	for _, part := range [][]byte{[]byte("proto2"), {byte(len(id))}, []byte(id)} {
		if _, err := raw.Write(part); err != nil {
			raw.Close()
			return nil, err
		}
	}
	member := &connection{Conn: raw}
	c.remember(member)
	return member, nil
}
