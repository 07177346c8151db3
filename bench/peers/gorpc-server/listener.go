package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// boundListener hands gorpc a socket that is bound already, so that port 0 can be told.
type boundListener struct{ net.Listener }

func (boundListener) Init(string) error { return nil }

func (l boundListener) address() string { return l.Addr().String() }

func (l boundListener) port() int { return l.Addr().(*net.TCPAddr).Port }

func listen(address string, useTLS bool) (boundListener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil || !useTLS {
		return boundListener{listener}, err
	}
	certificate, err := selfSigned()
	if err != nil {
		return boundListener{}, err
	}
	return boundListener{tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})}, nil
}

// selfSigned is enough for clients that do not verify.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
