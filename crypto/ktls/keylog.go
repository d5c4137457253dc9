// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"sync"
)

// keyLog is the KeyLogWriter of a handshake: it takes the secrets and passes the
// line on to the caller's writer.
type keyLog struct {
	mu      sync.Mutex
	secrets secrets
	next    io.Writer
}

var errKeyLog = errors.New("crypto/tls wrote a key log line of another form than LABEL <random> <secret>")

func (k *keyLog) Write(line []byte) (int, error) {
	if err := k.take(line); err != nil {
		return 0, err
	}
	if k.next != nil {
		return k.next.Write(line)
	}
	return len(line), nil
}

// take keeps the secret of a line, if it is of use.
func (k *keyLog) take(line []byte) error {
	label, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	random, value, _ := bytes.Cut(rest, []byte(" "))
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.secrets
	switch string(label) {
	case "CLIENT_RANDOM": // TLS 1.2
		if len(random) != 2*randomSize || len(value) != 2*masterSize {
			return errKeyLog
		}
		_, err1 := hex.Decode(s.clientRandom[:], random)
		_, err2 := hex.Decode(s.master[:], value)
		if err1 != nil || err2 != nil {
			return errKeyLog
		}
		s.haveMaster = true
	case "CLIENT_TRAFFIC_SECRET_0":
		return s.client.decode(value)
	case "SERVER_TRAFFIC_SECRET_0":
		return s.server.decode(value)
	}
	return nil
}

func (s *secret) decode(value []byte) error {
	if len(value)/2 > maxSecret {
		return errKeyLog
	}
	n, err := hex.Decode(s.bytes[:], value)
	if err != nil || n == 0 {
		return errKeyLog
	}
	s.size = n
	return nil
}
