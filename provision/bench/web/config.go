// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"net/netip"
	"text/template"

	"github.com/nicwright/nicwright/internal/site"
)

// Listener is one way to be asked: a port of its own.
type Listener struct {
	TLS        string // 1.2 or 1.3; "": plain
	Cipher     string // AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305
	Kernel     bool   // kernel TLS
	Sendfile   bool
	Resumption bool
}

// cipher12 are OpenSSL's names of the suites with an ECDSA key, cipher13 those of TLS 1.3.
var (
	cipher12 = map[string]string{
		"AES-128-GCM": "ECDHE-ECDSA-AES128-GCM-SHA256", "AES-256-GCM": "ECDHE-ECDSA-AES256-GCM-SHA384",
		"ChaCha20-Poly1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
	}
	cipher13 = map[string]string{
		"AES-128-GCM": "TLS_AES_128_GCM_SHA256", "AES-256-GCM": "TLS_AES_256_GCM_SHA384",
		"ChaCha20-Poly1305": "TLS_CHACHA20_POLY1305_SHA256",
	}
)

// template of nginx.conf. A directive that is not here is at nginx's default, as on a
// host that nobody has tuned.
var conf = template.Must(template.New("nginx.conf").Parse(`# Made by nicwright bench https, for one run.
daemon off;
worker_processes {{if .Workers}}{{.Workers}}{{else}}auto{{end}};
worker_rlimit_nofile {{.Files}};
pid {{.Dir}}/nginx/pid;
error_log {{.Dir}}/nginx/error.log warn;
events { worker_connections {{.Connections}}; }
http {
	access_log {{if .Log}}{{.Dir}}/nginx/access.log{{else}}off{{end}};
	default_type application/octet-stream;
	root {{.Dir}}/www;
	keepalive_requests 1000000000;
	keepalive_timeout 3600s;
	client_body_temp_path {{.Dir}}/nginx/body;
	proxy_temp_path {{.Dir}}/nginx/proxy;
	fastcgi_temp_path {{.Dir}}/nginx/fastcgi;
	uwsgi_temp_path {{.Dir}}/nginx/uwsgi;
	scgi_temp_path {{.Dir}}/nginx/scgi;
	ssl_certificate {{.Dir}}/cert.pem;
	ssl_certificate_key {{.Dir}}/key.pem;
	ssl_ecdh_curve X25519:prime256v1;
	ssl_session_cache off;
{{range .Servers}}
	server {
		listen {{.Address}}{{if .TLS}} ssl{{end}};
		sendfile {{.Sendfile}};
{{- if .TLS}}
		ssl_protocols TLSv{{.TLS}};
		{{if eq .TLS "1.3"}}ssl_conf_command Ciphersuites{{else}}ssl_ciphers{{end}} {{.Suite}};
		ssl_session_tickets {{.Tickets}};
{{- if .Kernel}}
		ssl_conf_command Options KTLS;
{{- end}}
{{- end}}
	}
{{end -}}
}
`))

type confServer struct {
	Listener
	Address, Suite, Sendfile, Tickets string
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// address is what nginx listens on.
func address(p *site.Place, port uint16) string {
	return netip.AddrPortFrom(p.Address(), port).String()
}

func config(in Input, dir string, ports map[Listener]uint16) ([]byte, error) {
	// A connection and a file for each client, and what nginx itself has open.
	data := struct {
		Dir                string
		Workers            int
		Files, Connections int
		Log                bool
		Servers            []confServer
	}{dir, in.Workers, 2*in.Clients + 1024, in.Clients + 256, in.Log, nil}
	for _, l := range in.Listeners {
		s := confServer{Listener: l, Address: address(in.Place, ports[l]), Sendfile: onOff(l.Sendfile), Tickets: onOff(l.Resumption)}
		names := map[string]map[string]string{"": {"": "none"}, "1.2": cipher12, "1.3": cipher13}
		if s.Suite = names[l.TLS][l.Cipher]; s.Suite == "" {
			return nil, fmt.Errorf("nginx has no TLS %q with %q", l.TLS, l.Cipher)
		}
		data.Servers = append(data.Servers, s)
	}
	var b bytes.Buffer
	if err := conf.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("writing nginx.conf: %w", err)
	}
	return b.Bytes(), nil
}
