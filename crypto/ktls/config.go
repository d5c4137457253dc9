// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNotOffered is returned when a tls.Config leaves nothing that the kernel can
// take over: it has to allow TLS 1.2 or 1.3 and, if it names cipher suites, one of
// that version with AES-GCM or ChaCha20-Poly1305.
var ErrNotOffered = errors.New("the tls.Config allows none of what the kernel can take: TLS 1.2 or 1.3 with a cipher suite of AES-GCM or ChaCha20-Poly1305 (CipherSuites names those of 1.3 too)")

// ErrSuite is returned when the handshake came to another TLS 1.3 cipher suite
// than the tls.Config's CipherSuites name. crypto/tls cannot be told which of them
// to offer or to choose; a peer that can has to be.
var ErrSuite = errors.New("another cipher suite than required was negotiated, and crypto/tls cannot be told to choose among those of TLS 1.3: let the peer offer or take only the required one")

// restrict gives config without what the kernel cannot take, and with keys
// listening.
func restrict(config *tls.Config, keys *keyLog) (*tls.Config, error) {
	if config == nil {
		config = &tls.Config{}
	}
	c, err := kernelOnly(config, keys)
	if err != nil {
		return nil, err
	}
	choose := c.GetConfigForClient
	c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		use := c
		if choose != nil {
			chosen, err := choose(info)
			if err != nil {
				return nil, err
			}
			if chosen != nil {
				if use, err = kernelOnly(chosen, keys); err != nil {
					return nil, err
				}
			}
		}
		// A ticket of TLS 1.3 is a record of the keys that the kernel gets: without any, it begins at number 0.
		if use.MaxVersion == tls.VersionTLS13 && slices.Contains(info.SupportedVersions, tls.VersionTLS13) {
			use = use.Clone()
			use.SessionTicketsDisabled = true
		}
		return use, nil
	}
	return c, nil
}

func kernelOnly(config *tls.Config, keys *keyLog) (*tls.Config, error) {
	c := config.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.MaxVersion == 0 {
		c.MaxVersion = tls.VersionTLS13
	}
	c.MaxVersion = min(c.MaxVersion, tls.VersionTLS13)
	allowed := slices.Clone(c.CipherSuites)
	if allowed == nil {
		for _, s := range tls.CipherSuites() {
			allowed = append(allowed, s.ID)
		}
	}
	var has12, has13 bool
	allowed = slices.DeleteFunc(allowed, func(id uint16) bool {
		s, ok := suiteOf(id)
		has12 = has12 || ok && s.version == tls.VersionTLS12
		has13 = has13 || ok && s.version == tls.VersionTLS13
		return !ok
	})
	if !has13 {
		c.MaxVersion = min(c.MaxVersion, tls.VersionTLS12)
	}
	if !has12 {
		c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	}
	if c.MinVersion > c.MaxVersion {
		return nil, ErrNotOffered
	}
	c.CipherSuites = allowed // crypto/tls looks at those of TLS 1.2 only
	verify := c.VerifyConnection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if !slices.Contains(allowed, s.CipherSuite) {
			return fmt.Errorf("%s with %s, and not %s: %w", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), names(allowed, s.Version), ErrSuite)
		}
		if verify != nil {
			return verify(s)
		}
		return nil
	}
	keys.next = c.KeyLogWriter
	c.KeyLogWriter = keys
	return c, nil
}

// names lists the suites of a version.
func names(suites []uint16, version uint16) string {
	var out []string
	for _, id := range suites {
		if s, ok := suiteOf(id); ok && s.version == version {
			out = append(out, tls.CipherSuiteName(id))
		}
	}
	return strings.Join(out, " or ")
}
