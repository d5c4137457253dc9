// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Version is what nginx says of itself (nginx -V).
type Version struct {
	Nginx   string // 1.26.3
	OpenSSL string // 3.5.9, with which it runs; "": another library, or none
}

var (
	nginxVersion   = regexp.MustCompile(`nginx version: [\w.-]+/([0-9]+(?:\.[0-9]+)+)`)
	opensslVersion = regexp.MustCompile(`(?:built|running) with OpenSSL ([0-9]+(?:\.[0-9]+)+)`)
)

// parseVersion reads what nginx -V prints.
func parseVersion(text string) (v Version, err error) {
	m := nginxVersion.FindStringSubmatch(text)
	if m == nil {
		return v, errors.New("it does not say one: is it nginx?")
	}
	v.Nginx = m[1]
	// The last is the one it runs with, where that is not the one it was built with.
	if all := opensslVersion.FindAllStringSubmatch(text, -1); all != nil {
		v.OpenSSL = all[len(all)-1][1]
	}
	return v, nil
}

// NoKernelTLS says why this nginx cannot use kernel TLS, "" if it may: whether its
// OpenSSL was built with it (enable-ktls) only the kernel's counters tell.
func (v Version) NoKernelTLS() string {
	switch {
	case less(v.Nginx, "1.21.4"):
		return fmt.Sprintf("nginx %s has no kernel TLS: 1.21.4 and later do (ssl_conf_command Options KTLS, SSL_sendfile)", v.Nginx)
	case v.OpenSSL == "":
		return fmt.Sprintf("nginx %s does not run with OpenSSL: kernel TLS is OpenSSL's, 3.0 and later", v.Nginx)
	case less(v.OpenSSL, "3.0"):
		return fmt.Sprintf("nginx %s runs with OpenSSL %s: kernel TLS is in 3.0 and later", v.Nginx, v.OpenSSL)
	}
	return ""
}

// less compares versions of numbers.
func less(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m < n
		}
	}
	return len(x) < len(y)
}
