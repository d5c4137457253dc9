// SPDX-License-Identifier: Apache-2.0

package ktls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/nicwright/nicwright/crypto/ktls"
)

// A client that wants a network card to encrypt, and says whether it does.
func ExampleClient() {
	conn, err := net.Dial("tcp", "server.example:443")
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{
		ServerName: "server.example",
		MaxVersion: tls.VersionTLS12, // what cards take
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		},
	}
	c, err := ktls.Client(context.Background(), conn.(*net.TCPConn), config)
	if errors.Is(err, ktls.ErrNoKernelTLS) {
		log.Fatal("load the module tls: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if state, err := c.State(); err == nil {
		fmt.Println("sending is the work of:", state.Tx)
	}
}

// handshaker makes kernel TLS connections of those that a listener accepts. Serious
// servers do the handshakes in goroutines of their own, with a time limit.
type handshaker struct {
	*net.TCPListener
	config *tls.Config
}

func (h handshaker) Accept() (net.Conn, error) {
	for {
		conn, err := h.AcceptTCP()
		if err != nil {
			return nil, err
		}
		c, err := ktls.Server(context.Background(), conn, h.config)
		if err == nil {
			return c, nil
		}
		log.Print(err) // the peer's fault
	}
}

// A web server of files: net/http sends them by Conn.ReadFrom, which is sendfile(2).
func ExampleServer() {
	cert, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: 443})
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	log.Fatal(http.Serve(handshaker{l, config}, http.FileServer(http.Dir("/srv/www"))))
}

// Sending a file without it coming into this process.
func ExampleConn_ReadFrom() {
	var c *ktls.Conn // of Client or Server
	f, err := os.Open("image.iso")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	// The file does not change while it is sent: the card may read it where it is.
	if err := c.SetZeroCopySendfile(true); err != nil {
		log.Print(err)
	}
	_, err = io.Copy(c, f) // it uses ReadFrom
	if err = errors.Join(err, c.CloseWrite()); err != nil {
		log.Print(err)
	}
}

// New keys for a TLS 1.3 connection that lives long, where the kernel can.
func ExampleConn_Rekey() {
	var c *ktls.Conn
	err := c.Rekey(true)
	switch {
	case errors.Is(err, ktls.ErrNoRekey):
		// Linux before 6.14: the connection goes on with its keys.
	case err != nil:
		log.Fatal(err)
	}
}

// A cipher that crypto/tls does not choose between two Go programs, for which there
// are secrets from elsewhere.
func ExampleAttach() {
	var conn *net.TCPConn
	var clientSecret, serverSecret []byte // 48 bytes each: of SHA-384
	c, err := ktls.Attach(conn, ktls.Traffic{
		Suite:   tls.TLS_AES_256_GCM_SHA384,
		Send:    clientSecret,
		Receive: serverSecret,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
}

func ExampleMode() {
	fmt.Println(ktls.Base, ktls.Software, ktls.Hardware)
	// Output: base software hardware
}
