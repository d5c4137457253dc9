// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// opensslFiles writes a certificate and its key for openssl to use.
func opensslFiles(t *testing.T, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func eachOpenssl(t *testing.T, f func(t *testing.T, name string, suite uint16, flags []string)) {
	needLab(t)
	for name, suite := range suites {
		for _, flags := range [][]string{nil, {"-ktls"}} {
			t.Run(fmt.Sprint(name, flags), func(t *testing.T) { f(t, name, suite.id, flags) })
		}
	}
}

// exchange sends a file and reads as much back, while the other end does the
// same; it compares by digest.
func exchange(t *testing.T, c *Conn, out []byte, in []byte) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	f := file(t, out)
	go func() { _, err := c.ReadFrom(f); sent <- err }()
	digest := sha256.New()
	if _, err := io.CopyN(digest, c, int64(len(in))); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(in); !bytes.Equal(digest.Sum(nil), sum[:]) {
		t.Error("what arrived here is not what openssl sent")
	}
}

func TestLabClientOfOpenssl(t *testing.T) {
	eachOpenssl(t, func(t *testing.T, name string, suite uint16, flags []string) {
		clientConfig, serverConfig := configs(t, suite)
		cert, key := opensslFiles(t, serverConfig.Certificates[0])
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		_, port, _ := net.SplitHostPort(address)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "openssl", append([]string{
			"s_server", "-accept", port, "-4", "-naccept", "1", "-quiet",
			"-tls1_2", "-cipher", name, "-cert", cert, "-key", key,
		}, flags...)...)
		var got, diag bytes.Buffer
		cmd.Stdout, cmd.Stderr = &got, &diag
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out, in := randomBytes(700_001), randomBytes(500_003)
		var tcp net.Conn
		for tcp == nil && ctx.Err() == nil {
			if tcp, err = net.Dial("tcp", address); err != nil {
				time.Sleep(50 * time.Millisecond)
			}
		}
		c, err := Client(ctx, tcp.(*net.TCPConn), clientConfig)
		if err != nil {
			t.Fatalf("%v\n%s", err, diag.String())
		}
		go func() { _, _ = stdin.Write(in) }()
		exchange(t, c, out, in)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it ends by our close_notify; the end of its standard input would cut it short
		if sha256.Sum256(got.Bytes()) != sha256.Sum256(out) {
			t.Errorf("openssl got other bytes (%d of %d)\n%s", got.Len(), len(out), diag.String())
		}
	})
}

func TestLabServerOfOpenssl(t *testing.T) {
	eachOpenssl(t, func(t *testing.T, name string, suite uint16, flags []string) {
		_, serverConfig := configs(t, suite)
		cert, _ := opensslFiles(t, serverConfig.Certificates[0])
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "openssl", append([]string{
			"s_client", "-connect", "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port),
			"-tls1_2", "-cipher", name, "-quiet", "-verify_return_error", "-CAfile", cert,
		}, flags...)...)
		var got, diag bytes.Buffer
		cmd.Stdout, cmd.Stderr = &got, &diag
		out, in := randomBytes(700_001), randomBytes(500_003)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		tcp, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		c, err := Server(ctx, tcp, serverConfig)
		if err != nil {
			t.Fatalf("%v\n%s", err, diag.String())
		}
		go func() { _, _ = stdin.Write(in) }()
		exchange(t, c, out, in)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it ends by our close_notify; the end of its standard input would cut it short
		if sha256.Sum256(got.Bytes()) != sha256.Sum256(out) {
			t.Errorf("openssl got other bytes (%d of %d)\n%s", got.Len(), len(out), diag.String())
		}
	})
}
