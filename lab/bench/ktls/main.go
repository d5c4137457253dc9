// SPDX-License-Identifier: Apache-2.0

// Command ktls is package ktls's side of the throughput measurement (lab/bench/ktls.sh):
// a server of one file and a client of it, each able to face openssl's in place of
// the other.
//
//	ktls serve ADDRESS CERT KEY FILE   one line a connection: seconds until the peer had it all
//	ktls get ADDRESS                   seconds from the request to the end of the answer
//
// TLS 1.2 with AES-128-GCM, which cards do.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/nicwright/nicwright/crypto/ktls"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 6 && os.Args[1] == "serve":
		err = serve(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	case len(os.Args) == 3 && os.Args[1] == "get":
		err = get(os.Args[2])
	default:
		err = errors.New("usage: ktls serve ADDRESS CERT KEY FILE | ktls get ADDRESS")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ktls:", err)
		os.Exit(1)
	}
}

func suites() []uint16 { return []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256} }

func serve(address, cert, key, file string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		seconds, err := answer(conn.(*net.TCPConn), &tls.Config{Certificates: []tls.Certificate{pair}, CipherSuites: suites()}, file)
		if err != nil {
			return err
		}
		fmt.Printf("%.6f\n", seconds)
	}
}

func answer(conn *net.TCPConn, config *tls.Config, file string) (float64, error) {
	c, err := ktls.Server(context.Background(), conn, config)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for lines := bufio.NewScanner(c); ; {
		if !lines.Scan() {
			return 0, errors.Join(errors.New("no request"), lines.Err())
		}
		if lines.Text() == "" {
			break
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	start := time.Now()
	if _, err := io.WriteString(c, "HTTP/1.0 200 ok\r\n\r\n"); err != nil {
		return 0, err
	}
	if _, err := c.ReadFrom(f); err != nil {
		return 0, err
	}
	if err := c.CloseWrite(); err != nil {
		return 0, err
	}
	// openssl closes without a farewell, having got ours.
	if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	return time.Since(start).Seconds(), nil
}

func get(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	c, err := ktls.Client(context.Background(), conn.(*net.TCPConn), &tls.Config{InsecureSkipVerify: true, CipherSuites: suites()}) //nolint:gosec // between two VFs of the lab
	if err != nil {
		return err
	}
	defer c.Close()
	start := time.Now()
	if _, err := io.WriteString(c, "GET /data HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	n, p := 0, make([]byte, 16<<10) // as openssl reads
	for {
		k, err := c.Read(p)
		n += k
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break // it closes without a farewell as well
		}
		if err != nil {
			return err
		}
	}
	fmt.Printf("%.6f %d\n", time.Since(start).Seconds(), n)
	return nil
}
