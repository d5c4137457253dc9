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
	"os"
	"strings"
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

// open decrypts a record as the kernel would, with the keys of a direction.
func open(t *testing.T, d *direction, c cipher, sequence uint64, record []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(d.key[:c.key])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cryptocipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	explicit, sealed := record[recordHeader:recordHeader+8], record[recordHeader+8:]
	aad := binary.BigEndian.AppendUint64(nil, sequence)
	aad = append(aad, record[:3]...)
	aad = binary.BigEndian.AppendUint16(aad, uint16(len(sealed)-gcm.Overhead()))
	plain, err := gcm.Open(nil, append(d.salt[:], explicit...), sealed, aad)
	if err != nil {
		t.Fatalf("the record does not open with the derived keys: %v", err)
	}
	return plain
}

// The keys that the tap and the key log give are those which crypto/tls uses,
// and crypto/tls reads no byte that is for the kernel.
func TestKeysOpenWhatCryptoTLSSends(t *testing.T) {
	for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} {
		for _, tickets := range []bool{false, true} {
			t.Run(tls.CipherSuiteName(suite), func(t *testing.T) {
				clientConfig, serverConfig := configs(t, suite)
				serverConfig.SessionTicketsDisabled = !tickets
				var callersLog bytes.Buffer
				clientConfig.KeyLogWriter = &callersLog

				clientKeys, serverKeys := &keyLog{}, &keyLog{}
				clientConfig, err := restrict(clientConfig, clientKeys)
				if err != nil {
					t.Fatal(err)
				}
				if serverConfig, err = restrict(serverConfig, serverKeys); err != nil {
					t.Fatal(err)
				}
				a, b := loopback(t)
				clientTap, serverTap := &tap{Conn: a}, &tap{Conn: b}
				client, server := tls.Client(clientTap, clientConfig), tls.Server(serverTap, serverConfig)
				served := make(chan error, 1)
				go func() {
					if err := server.Handshake(); err != nil {
						served <- err
						return
					}
					_, err := server.Write([]byte("from the server, at once"))
					served <- err
				}()
				if err := client.Handshake(); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Write([]byte("from the client")); err != nil {
					t.Fatal(err)
				}
				if err := <-served; err != nil {
					t.Fatal(err)
				}

				var ok bool
				if clientKeys.secrets.serverRandom, ok = clientTap.fromPeer.random(); !ok {
					t.Fatal("the client saw no server random")
				}
				if serverKeys.secrets.serverRandom, ok = serverTap.toPeer.random(); !ok {
					t.Fatal("the server saw no server random")
				}
				clientKeys.secrets.haveServer, serverKeys.secrets.haveServer = true, true
				if clientKeys.secrets != serverKeys.secrets {
					t.Error("the two sides have different secrets")
				}
				if !strings.HasPrefix(callersLog.String(), "CLIENT_RANDOM ") {
					t.Error("the caller's KeyLogWriter got nothing")
				}

				// RFC 5705 exports with the same PRF and the same secret.
				state := client.ConnectionState()
				c, ok := cipherOf(state.CipherSuite)
				if !ok {
					t.Fatalf("negotiated %s", tls.CipherSuiteName(state.CipherSuite))
				}
				s := &clientKeys.secrets
				exported, got := make([]byte, 77), make([]byte, 77)
				if exported, err = state.ExportKeyingMaterial("EXPERIMENTAL nicwright", nil, len(exported)); err != nil {
					t.Fatal(err)
				}
				prf(c.hash, got, s.master[:], "EXPERIMENTAL nicwright", append(s.clientRandom[:], s.serverRandom[:]...))
				if !bytes.Equal(got, exported) {
					t.Error("the PRF is not that of crypto/tls")
				}

				fromClient, fromServer, err := s.derive(c)
				if err != nil {
					t.Fatal(err)
				}
				for _, c2 := range []struct {
					conn net.Conn
					keys *direction
					want string
				}{{a, &fromServer, "from the server, at once"}, {b, &fromClient, "from the client"}} {
					record := make([]byte, recordHeader)
					if _, err := io.ReadFull(c2.conn, record); err != nil {
						t.Fatal(err)
					}
					if record[0] != recordData {
						t.Fatalf("the next byte for the kernel is of a record of type %d", record[0])
					}
					record = append(record, make([]byte, binary.BigEndian.Uint16(record[3:]))...)
					if _, err := io.ReadFull(c2.conn, record[recordHeader:]); err != nil {
						t.Fatal(err)
					}
					if got := open(t, c2.keys, c, firstSequence, record); string(got) != c2.want {
						t.Errorf("got %q, want %q", got, c2.want)
					}
					// crypto/tls counts explicit nonces as record numbers: to start ours there repeats none.
					if n := binary.BigEndian.Uint64(record[recordHeader:]); n != firstSequence {
						t.Errorf("the first record has the nonce %d", n)
					}
				}
			})
		}
	}
}

func TestHelloInAnyPieces(t *testing.T) {
	random := bytes.Repeat([]byte{0xab}, randomSize)
	message := append([]byte{serverHello, 0, 0, 70, 3, 3}, append(random, make([]byte, 38)...)...)
	alert := []byte{recordAlert, 3, 3, 0, 2, 1, 112} // a warning may come first
	var stream []byte
	stream = append(stream, alert...)
	stream = append(append(stream, recordHandshake, 3, 3, 0, 10), message[:10]...) // and a message may be in two records
	stream = append(append(stream, recordHandshake, 3, 3, 0, byte(len(message)-10)), message[10:]...)
	for size := 1; size <= len(stream); size++ {
		var h hello
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			h.see(rest[:n])
			rest = rest[n:]
		}
		if got, ok := h.random(); !ok || !bytes.Equal(got[:], random) {
			t.Errorf("in pieces of %d: %x, %t", size, got, ok)
		}
	}
	var h hello
	h.see([]byte{recordHandshake, 3, 3, 0, 60, 1})
	h.see(make([]byte, 59))
	if _, ok := h.random(); ok {
		t.Error("a message that is no ServerHello gave a random")
	}
}

func FuzzHello(f *testing.F) {
	f.Add([]byte{recordHandshake, 3, 3, 0, 60, 2, 0, 0, 1}, 3)
	f.Fuzz(func(_ *testing.T, data []byte, size int) {
		var h hello
		for len(data) > 0 {
			n := min(max(size, 1), len(data))
			h.see(data[:n])
			data = data[n:]
		}
		h.random()
	})
}

func TestRestrict(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"only 1.3":           {MinVersion: tls.VersionTLS13},
		"only 1.1":           {MaxVersion: tls.VersionTLS11},
		"only ChaCha20":      {CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}},
		"no suites whatever": {CipherSuites: []uint16{}},
	} {
		if _, err := restrict(config, &keyLog{}); !errors.Is(err, ErrNotOffered) {
			t.Errorf("%s: got %v, want ErrNotOffered", name, err)
		}
	}
	var log bytes.Buffer
	chosen := &tls.Config{KeyLogWriter: &log, MinVersion: tls.VersionTLS13}
	asked := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }}
	c, err := restrict(asked, &keyLog{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.CipherSuites) == 0 || c.MaxVersion != tls.VersionTLS12 {
		t.Errorf("got %+v", c)
	}
	if _, err := c.GetConfigForClient(nil); !errors.Is(err, ErrNotOffered) {
		t.Errorf("the config that GetConfigForClient chose is not restricted: %v", err)
	}
}

func TestCryptoInfoIsTheKernelsStruct(t *testing.T) {
	d := direction{salt: [4]byte{1, 2, 3, 4}}
	for i := range d.key {
		d.key[i] = byte(0x80 + i)
	}
	for _, c := range []struct {
		cipher cipher
		size   int
	}{{aes128, 40}, {aes256, 56}} {
		b := d.cryptoInfo(c.cipher)
		if len(b) != c.size {
			t.Fatalf("%d bytes, want %d", len(b), c.size)
		}
		if !bytes.Equal(b[12:12+c.cipher.key], d.key[:c.cipher.key]) || !bytes.Equal(b[12+c.cipher.key:][:4], d.salt[:]) {
			t.Error("key or salt are not in their places")
		}
		if binary.BigEndian.Uint64(b[4:]) != 1 || binary.BigEndian.Uint64(b[len(b)-8:]) != 1 {
			t.Error("nonce and record number do not start at 1")
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
