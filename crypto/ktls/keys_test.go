// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// The keys that the tap and the key log give are those which crypto/tls uses,
// and crypto/tls reads no byte that is for the kernel.
func TestKeysOpenWhatCryptoTLSSends(t *testing.T) {
	for _, id := range []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_AES_128_GCM_SHA256,
	} {
		for _, tickets := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, tickets %t", tls.CipherSuiteName(id), tickets), func(t *testing.T) {
				clientConfig, serverConfig := configs(t, id)
				serverConfig.SessionTicketsDisabled = !tickets
				var callersLog bytes.Buffer
				clientConfig.KeyLogWriter = &callersLog
				s := shake(t, clientConfig, serverConfig)
				if !strings.HasPrefix(callersLog.String(), "CLIENT_") {
					t.Error("the caller's KeyLogWriter got nothing")
				}
				if _, err := s.client.Write([]byte("from the client")); err != nil {
					t.Fatal(err)
				}
				for _, way := range []struct {
					conn net.Conn
					keys *direction
					want string
				}{{s.a, &s.fromServer, atOnce}, {s.b, &s.fromClient, "from the client"}} {
					record := next(t, way.conn)
					// In TLS 1.2 crypto/tls counts explicit nonces as record numbers: to start ours there repeats none.
					if n := binary.BigEndian.Uint64(record[recordHeader:]); s.su.version == tls.VersionTLS12 && n != way.keys.sequence {
						t.Errorf("the first record has the nonce %d", n)
					}
					if kind, got := open(t, way.keys, s.su, record); kind != recordData || string(got) != way.want {
						t.Errorf("got %q of type %d, want %q", got, kind, way.want)
					}
				}
			})
		}
	}
}

// RFC 5705 exports with the PRF of TLS 1.2 and its secret.
func TestPRFIsThatOfCryptoTLS(t *testing.T) {
	for _, id := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} {
		clientConfig, serverConfig := configs(t, id)
		s := shake(t, clientConfig, serverConfig)
		state := s.client.ConnectionState()
		got := make([]byte, 77)
		want, err := state.ExportKeyingMaterial("EXPERIMENTAL nicwright", nil, len(got))
		if err != nil {
			t.Fatal(err)
		}
		prf(s.su.hash, got, s.keys.master[:], "EXPERIMENTAL nicwright", append(s.keys.clientRandom[:], s.keys.serverRandom[:]...))
		if !bytes.Equal(got, want) {
			t.Error("the PRF is not that of crypto/tls")
		}
	}
}

// crypto/tls follows our KeyUpdate to the keys that we go on with, and answers it with
// those that we expect of it.
func TestKeyUpdateIsThatOfCryptoTLS(t *testing.T) {
	clientConfig, serverConfig := configs(t, tls.TLS_AES_128_GCM_SHA256)
	s := shake(t, clientConfig, serverConfig)
	open(t, &s.fromServer, s.su, next(t, s.a))
	var ours, theirs direction
	for _, way := range []struct {
		d      *direction
		secret *secret
	}{{&ours, &s.keys.client}, {&theirs, &s.keys.server}} {
		following, err := way.secret.next(s.su)
		if err == nil {
			err = way.d.from(s.su, following.get())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	stream := append(seal(t, &s.fromClient, s.su, recordHandshake, "\x18\x00\x00\x01\x01"), seal(t, &ours, s.su, recordData, "with new keys")...)
	if _, err := s.a.Write(stream); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 99)
	if n, err := s.server.Read(p); err != nil || string(p[:n]) != "with new keys" {
		t.Errorf("crypto/tls read %q, %v", p[:n], err)
	}
	if _, err := s.server.Write([]byte("as well")); err != nil {
		t.Fatal(err)
	}
	if kind, got := open(t, &s.fromServer, s.su, next(t, s.a)); kind != recordHandshake || string(got) != "\x18\x00\x00\x01\x00" {
		t.Errorf("crypto/tls answered %x of type %d", got, kind)
	}
	if kind, got := open(t, &theirs, s.su, next(t, s.a)); kind != recordData || string(got) != "as well" {
		t.Errorf("crypto/tls sent %q of type %d", got, kind)
	}
}

func TestCryptoInfoIsTheKernelsStruct(t *testing.T) {
	d := direction{sequence: 1}
	for i := range d.key {
		d.key[i] = byte(0x80 + i)
	}
	for i := range d.iv {
		d.iv[i] = byte(1 + i)
	}
	const seq = "0000000000000001"
	key16 := hex.EncodeToString(d.key[:16])
	key32 := hex.EncodeToString(d.key[:])
	for _, c := range []struct {
		suite uint16
		size  int
		want  string
	}{ // version and cipher in the order of this machine, IV, key, salt, number
		{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 40, "03033300" + seq + key16 + "01020304" + seq},
		{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, 56, "03033400" + seq + key32 + "01020304" + seq},
		{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 56, "03033600" + "0102030405060708090a0b0c" + key32 + seq},
		{tls.TLS_AES_128_GCM_SHA256, 40, "04033300" + "05060708090a0b0c" + key16 + "01020304" + seq},
		{tls.TLS_AES_256_GCM_SHA384, 56, "04033400" + "05060708090a0b0c" + key32 + "01020304" + seq},
		{tls.TLS_CHACHA20_POLY1305_SHA256, 56, "04033600" + "0102030405060708090a0b0c" + key32 + seq},
	} {
		su, ok := suiteOf(c.suite)
		if !ok {
			t.Fatalf("%s is not for the kernel", tls.CipherSuiteName(c.suite))
		}
		b := d.cryptoInfo(su)
		if cap(b) != 4+ivSize+maxKey+8 {
			t.Error("the struct was moved while it was written: a copy of the key is left")
		}
		want, err := hex.DecodeString(c.want)
		if err != nil {
			t.Fatal(err)
		}
		want = append(binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, binary.LittleEndian.Uint16(want)), binary.LittleEndian.Uint16(want[2:])), want[4:]...)
		if len(b) != c.size || !bytes.Equal(b, want) {
			t.Errorf("%s: %x, want %x", tls.CipherSuiteName(c.suite), b, want)
		}
	}
}

// Without kernel TLS the caller is told so, and the connection is closed.
func TestNoKernelTLS(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") != "" {
		unloadTLS(t)
	}
	clientConfig, serverConfig := configs(t, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	a, b := loopback(t)
	go func() { _ = tls.Server(b, serverConfig).Handshake() }()
	c, err := Client(t.Context(), a, clientConfig)
	if err == nil {
		_ = c.Close()
		t.Skip("this kernel has TLS")
	}
	if !errors.Is(err, ErrNoKernelTLS) || !strings.Contains(err.Error(), "modprobe tls") {
		t.Errorf("got %v", err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is still open: %v", err)
	}
}
