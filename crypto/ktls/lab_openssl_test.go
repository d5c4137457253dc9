// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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

// output is what a process wrote so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) Bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.b.Bytes())
}

// waits until it has the text: what the other process does has no event here.
func (o *output) waits(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if bytes.Contains(o.Bytes(), []byte(text)) {
			return
		}
	}
	t.Fatalf("openssl does not say %q but\n%s", text, o.Bytes())
}

// openssl is a process of it at the other end of a connection.
type openssl struct {
	*Conn
	stdin     io.Writer
	out, diag output
	cmd       *exec.Cmd
}

// wait waits for its end, which comes by our close_notify; the end of its standard
// input would cut it short.
func (o *openssl) wait() { _ = o.cmd.Wait() }

func (o *openssl) start(ctx context.Context, t *testing.T, args ...string) {
	t.Helper()
	o.cmd = exec.CommandContext(ctx, "openssl", args...)
	o.cmd.Stdout, o.cmd.Stderr = &o.out, &o.diag
	var err error
	if o.stdin, err = o.cmd.StdinPipe(); err == nil {
		err = o.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func choose(version uint16, name string) []string {
	if version == tls.VersionTLS13 {
		return []string{"-tls1_3", "-ciphersuites", name}
	}
	return []string{"-tls1_2", "-cipher", name}
}

// opensslServes connects to openssl s_server.
func opensslServes(ctx context.Context, t *testing.T, i int, flags ...string) *openssl {
	t.Helper()
	suite := suites[i]
	clientConfig, serverConfig := configs(t, suite.id)
	cert, key := opensslFiles(t, serverConfig.Certificates[0])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(address)
	o := &openssl{}
	args := append([]string{"s_server", "-accept", port, "-4", "-naccept", "1", "-cert", cert, "-key", key}, choose(suite.version, suite.name)...)
	o.start(ctx, t, append(args, flags...)...)
	var tcp net.Conn
	for tcp == nil && ctx.Err() == nil {
		if tcp, err = net.Dial("tcp", address); err != nil {
			time.Sleep(50 * time.Millisecond)
		}
	}
	if o.Conn, err = Client(ctx, tcp.(*net.TCPConn), clientConfig); err != nil {
		t.Fatalf("%v\n%s", err, o.diag.Bytes())
	}
	t.Cleanup(func() { _ = o.Conn.Close() })
	return o
}

// opensslConnects serves openssl s_client.
func opensslConnects(ctx context.Context, t *testing.T, i int, flags ...string) *openssl {
	t.Helper()
	suite := suites[i]
	_, serverConfig := configs(t, suite.id)
	cert, _ := opensslFiles(t, serverConfig.Certificates[0])
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := &openssl{}
	args := append([]string{"s_client", "-connect", "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), "-verify_return_error", "-CAfile", cert}, choose(suite.version, suite.name)...)
	o.start(ctx, t, append(args, flags...)...)
	tcp, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if o.Conn, err = Server(ctx, tcp, serverConfig); err != nil {
		t.Fatalf("%v\n%s", err, o.diag.Bytes())
	}
	t.Cleanup(func() { _ = o.Conn.Close() })
	return o
}

var opensslSides = map[string]func(context.Context, *testing.T, int, ...string) *openssl{"client of": opensslServes, "server of": opensslConnects}

// Each version and cipher, as client and as server, with openssl's own TLS and with
// the kernel's: a file is sent while as much is read, and compared by digest.
func TestLabOpenssl(t *testing.T) {
	needLab(t)
	out, in := randomBytes(700_001), randomBytes(500_003)
	for side, peer := range opensslSides {
		for i, suite := range suites {
			for _, flags := range [][]string{{"-quiet"}, {"-quiet", "-ktls"}} {
				t.Run(fmt.Sprint(side, suite.name, flags), func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
					defer cancel()
					o := peer(ctx, t, i, flags...)
					if s := o.ConnectionState(); s.CipherSuite != suite.id || s.Version != suite.version {
						t.Errorf("negotiated %x with %x", s.Version, s.CipherSuite)
					}
					go func() { _, _ = o.stdin.Write(in) }()
					exchange(t, o.Conn, out, in)
					if s, err := o.State(); err != nil || s != (State{suite.version, suite.kernel, Software, Software}) {
						t.Errorf("%+v, %v", s, err)
					}
					if err := o.Close(); err != nil {
						t.Error(err)
					}
					o.wait()
					if got := o.out.Bytes(); sha256.Sum256(got) != sha256.Sum256(out) {
						t.Errorf("openssl got other bytes (%d of %d)\n%s", len(got), len(out), o.diag.Bytes())
					}
				})
			}
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

// openssl changes its keys, by itself and asking for ours (the commands k and K),
// and follows us.
func TestLabOpensslRekeys(t *testing.T) {
	needLab(t)
	for side, peer := range opensslSides {
		for i, suite := range suites {
			if suite.version != tls.VersionTLS13 {
				continue
			}
			for _, flags := range [][]string{nil, {"-ktls"}} {
				t.Run(fmt.Sprint(side, suite.name, flags), func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
					defer cancel()
					o := peer(ctx, t, i, flags...)
					if err := o.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
						t.Fatal(err)
					}
					// line has openssl send a line, after a command that makes it change its keys: it takes a
					// command and the line after it for one if they come together.
					line := func(command, text string) error {
						read := make(chan error, 1)
						go func() {
							p := make([]byte, len(text)+1)
							_, err := io.ReadFull(o.Conn, p)
							if err == nil && string(p) != text+"\n" {
								err = fmt.Errorf("read %q", p)
							}
							read <- err
						}()
						if command != "" {
							_, rx, _ := rekeysIf(t)
							if _, err := io.WriteString(o.stdin, command+"\n"); err != nil {
								t.Fatal(err)
							}
							if !newKeys(t) {
								return <-read
							}
							for now := rx; now == rx && len(read) == 0; _, now, _ = rekeys(t) {
								time.Sleep(20 * time.Millisecond)
							}
						}
						if _, err := io.WriteString(o.stdin, text+"\n"); err != nil {
							t.Fatal(err)
						}
						return <-read
					}
					if err := line("", "hello"); err != nil {
						t.Fatal(err)
					}
					err := line("k", "one")
					if !newKeys(t) {
						if !errors.Is(err, ErrNoRekey) {
							t.Errorf("got %v, want ErrNoRekey", err)
						}
						return
					}
					if err = errors.Join(err, line("K", "two")); err != nil {
						t.Fatalf("%v\n%s", err, o.diag.Bytes())
					}
					say := func(text string) {
						if _, err := io.WriteString(o.Conn, text+"\n"); err != nil {
							t.Fatal(err)
						}
						o.out.waits(t, text)
					}
					say("after the answer")
					if err := o.Rekey(true); err != nil {
						t.Fatal(err)
					}
					say("after a request")
					if err := line("", "three"); err != nil { // with the keys that we asked for
						t.Fatal(err)
					}
					if err := o.Close(); err != nil {
						t.Error(err)
					}
					o.wait()
					if strings.Contains(string(o.diag.Bytes()), "error") {
						t.Errorf("openssl says\n%s", o.diag.Bytes())
					}
				})
			}
		}
	}
}
