// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/crypto/ktls"
)

// nginx serves a directory in namespace a: at port 4400+i suite i with openssl's TLS, at
// 4500+i with the kernel's.
func nginx(t *testing.T, id *identity, www string) {
	t.Helper()
	dir := t.TempDir()
	var conf strings.Builder
	fmt.Fprintf(&conf, "worker_processes 1; user root; daemon off; pid %[1]s/pid; error_log stderr;\nevents { worker_connections 64; }\nhttp {\naccess_log off; sendfile on; etag off;\n"+
		"client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;\n", dir)
	for i, s := range suites {
		choose := "ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites " + s.name
		if strings.HasPrefix(s.name, "ECDHE") {
			choose = "ssl_protocols TLSv1.2; ssl_ciphers " + s.name
		}
		for port, option := range map[int]string{4400: "-KTLS", 4500: "KTLS"} {
			fmt.Fprintf(&conf, "server { listen %d ssl; root %s; ssl_certificate %s; ssl_certificate_key %s; %s; ssl_conf_command Options %s; }\n", port+i, www, id.certFile, id.keyFile, choose, option)
		}
	}
	conf.WriteString("}\n")
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", inNS("a", "nginx", "-c", path)...)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", log.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := dial(here + ":4400"); err == nil {
			_ = c.Close()
			return
		}
	}
	t.Fatal("nginx does not listen")
}

// nginx's files over our client, with keep-alive, so that it is one connection a suite.
func TestLabNginx(t *testing.T) {
	namespaces(t)
	id := newIdentity(t)
	www, contents := files(t)
	nginx(t, id, www)
	for i, suite := range suites {
		for _, port := range []int{4400, 4500} {
			t.Run(fmt.Sprint(suite.name, " ", port), func(t *testing.T) {
				dials := 0
				client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
					DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
						dials++
						c, err := dial(net.JoinHostPort(here, strconv.Itoa(port+i)))
						if err != nil {
							return nil, err
						}
						return ktls.Client(ctx, c, id.client(suite.id))
					},
				}}
				defer client.CloseIdleConnections()
				for name, want := range contents {
					answer, err := client.Get("https://" + peerName + "/" + name)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(answer.Body)
					_ = answer.Body.Close()
					if err != nil || answer.StatusCode != http.StatusOK {
						t.Fatalf("%s: %s, %v", name, answer.Status, err)
					}
					same(t, name, got, want)
				}
				if dials != 1 {
					t.Errorf("%d connections", dials)
				}
			})
		}
	}
}

// listener does the handshake of each connection; one at a time is enough here.
type listener struct {
	*net.TCPListener
	t      *testing.T
	id     *identity
	suites []uint16
}

func (l listener) Accept() (net.Conn, error) {
	for {
		tcp, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		c, err := ktls.Server(l.t.Context(), tcp, l.id.server(l.suites...))
		if err == nil {
			return c, nil
		}
		l.t.Error(err)
	}
}

// curl's files of net/http's server over our connections, where they go by sendfile.
func TestLabCurl(t *testing.T) {
	namespaces(t)
	id := newIdentity(t)
	www, contents := files(t)
	l := listener{TCPListener: listen(t), t: t, id: id}
	for _, s := range suites {
		l.suites = append(l.suites, s.id)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(www)), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			before := counter(t, "a", "tx_tls_encrypted_bytes")
			dir, sum := t.TempDir(), 0
			args := []string{"-sS", "--fail", "--max-time", "60", "--cacert", id.certFile, "--resolve", peerName + ":" + port + ":" + here, "--output-dir", dir}
			if strings.HasPrefix(suite.name, "ECDHE") {
				args = append(args, "--tls-max", "1.2", "--ciphers", suite.name)
			} else {
				args = append(args, "--tlsv1.3", "--tls13-ciphers", suite.name)
			}
			for name := range contents {
				args = append(args, "-O", "https://"+peerName+":"+port+"/"+name)
			}
			ip(t, inNS("b", "curl", args...)...)
			for name, want := range contents {
				got, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				same(t, name, got, want)
				sum += len(want)
			}
			if moved := counter(t, "a", "tx_tls_encrypted_bytes") - before; suite.card && moved < sum || !suite.card && moved != 0 {
				t.Errorf("the card encrypted %d of %d bytes", moved, sum)
			}
		})
	}
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
