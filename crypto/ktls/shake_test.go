// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/aes"
	cryptocipher "crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"
)

// certificate makes a self-signed certificate for this test.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"peer.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func configs(t testing.TB, suite uint16) (client, server *tls.Config) {
	t.Helper()
	cert := certificate(t)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	suites := []uint16{suite}
	return &tls.Config{RootCAs: roots, ServerName: "peer.test", CipherSuites: suites}, &tls.Config{Certificates: []tls.Certificate{cert}, CipherSuites: suites}
}

// loopback is a TCP connection with itself, so that records can lie in a buffer.
func loopback(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialed.Close(); _ = accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// aead is the cipher and the nonce of a record, as the kernel has them.
func aead(t *testing.T, d *direction, su suite, explicit []byte) (gcm cryptocipher.AEAD, nonce []byte) {
	t.Helper()
	block, err := aes.NewCipher(d.key[:su.key])
	if err != nil {
		t.Fatal(err)
	}
	if gcm, err = cryptocipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	if su.version == tls.VersionTLS12 {
		return gcm, append(d.iv[:su.salt:su.salt], explicit...)
	}
	nonce = bytes.Clone(d.iv[:])
	for i, b := range binary.BigEndian.AppendUint64(nil, d.sequence) {
		nonce[4+i] ^= b
	}
	return gcm, nonce
}

// open decrypts the next record of a direction as the kernel would.
func open(t *testing.T, d *direction, su suite, record []byte) (kind byte, plain []byte) {
	t.Helper()
	sealed := record[recordHeader:]
	var explicit []byte
	aad := record[:recordHeader]
	if su.version == tls.VersionTLS12 {
		explicit, sealed = sealed[:8], sealed[8:]
		aad = append(binary.BigEndian.AppendUint64(nil, d.sequence), record[:3]...)
		aad = binary.BigEndian.AppendUint16(aad, uint16(len(sealed)-16))
	}
	gcm, nonce := aead(t, d, su, explicit)
	plain, err := gcm.Open(nil, nonce, sealed, aad)
	if err != nil {
		t.Fatalf("the record does not open with the derived keys: %v", err)
	}
	d.sequence++
	if su.version == tls.VersionTLS12 {
		return record[0], plain
	}
	plain = bytes.TrimRight(plain, "\x00")
	return plain[len(plain)-1], plain[:len(plain)-1]
}

// seal makes a record of TLS 1.3 as the kernel would.
func seal(t *testing.T, d *direction, su suite, kind byte, plain string) []byte {
	t.Helper()
	gcm, nonce := aead(t, d, su, nil)
	d.sequence++
	record := binary.BigEndian.AppendUint16([]byte{recordData, 3, 3}, uint16(len(plain)+1+gcm.Overhead()))
	return gcm.Seal(record, nonce, append([]byte(plain), kind), record)
}

// next reads a record.
func next(t *testing.T, r io.Reader) []byte {
	t.Helper()
	record := make([]byte, recordHeader)
	if _, err := io.ReadFull(r, record); err != nil {
		t.Fatal(err)
	}
	if record[0] != recordData {
		t.Fatalf("the next byte for the kernel is of a record of type %d", record[0])
	}
	record = append(record, make([]byte, binary.BigEndian.Uint16(record[3:]))...)
	if _, err := io.ReadFull(r, record[recordHeader:]); err != nil {
		t.Fatal(err)
	}
	return record
}

// shaken is both ends of a handshake, with the keys that each end's tap and key log
// got of it. The server sends at once.
type shaken struct {
	client, server         *tls.Conn
	a, b                   *net.TCPConn // theirs
	su                     suite
	keys                   *secrets
	fromClient, fromServer direction
}

const atOnce = "from the server, at once"

func shake(t *testing.T, clientConfig, serverConfig *tls.Config) *shaken {
	t.Helper()
	clientKeys, serverKeys := &keyLog{}, &keyLog{}
	clientConfig, err := restrict(clientConfig, clientKeys)
	if err != nil {
		t.Fatal(err)
	}
	if serverConfig, err = restrict(serverConfig, serverKeys); err != nil {
		t.Fatal(err)
	}
	s := &shaken{keys: &clientKeys.secrets}
	s.a, s.b = loopback(t)
	clientTap, serverTap := &tap{Conn: s.a}, &tap{Conn: s.b}
	s.client, s.server = tls.Client(clientTap, clientConfig), tls.Server(serverTap, serverConfig)
	served := make(chan error, 1)
	go func() {
		err := s.server.Handshake()
		if err == nil {
			_, err = s.server.Write([]byte(atOnce))
		}
		served <- err
	}()
	if err := errors.Join(s.client.Handshake(), <-served); err != nil {
		t.Fatal(err)
	}
	if s.client.ConnectionState().Version == tls.VersionTLS12 {
		var ok bool
		if clientKeys.secrets.serverRandom, ok = clientTap.fromPeer.random(); !ok {
			t.Fatal("the client saw no server random")
		}
		if serverKeys.secrets.serverRandom, ok = serverTap.toPeer.random(); !ok {
			t.Fatal("the server saw no server random")
		}
		clientKeys.secrets.haveServer, serverKeys.secrets.haveServer = true, true
	}
	if clientKeys.secrets != serverKeys.secrets {
		t.Error("the two sides have different secrets")
	}
	var ok bool
	if s.su, ok = suiteOf(s.client.ConnectionState().CipherSuite); !ok {
		t.Fatalf("negotiated %s", tls.CipherSuiteName(s.client.ConnectionState().CipherSuite))
	}
	if s.fromClient, s.fromServer, err = clientKeys.secrets.derive(s.su); err != nil {
		t.Fatal(err)
	}
	return s
}

// stream is a connection that is only read.
type stream struct {
	net.Conn
	r io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.r.Read(p) }
