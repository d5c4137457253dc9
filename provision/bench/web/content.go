// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Certificate makes a certificate of [Name], signed by itself and good for a day, and its
// key, in PEM: for this server, or another that a bench measures.
func Certificate() (cert, key []byte, err error) {
	fail := func(err error) ([]byte, []byte, error) {
		return nil, nil, fmt.Errorf("making the certificate of the measured server: %w", err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: Name}, DNSNames: []string{Name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return fail(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fail(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// room is for all but the files that are asked for.
const room = 64 << 20

// roomFor is the bytes of memory for files of these sizes. They may take half of what is
// available: with less than that left the kernel would begin to swap what is measured.
func roomFor(sizes []uint64) (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("looking how much memory there is: %w", err)
	}
	available := uint64(0)
	for line := range strings.Lines(string(b)) {
		if n, err := fmt.Sscanf(line, "MemAvailable: %d kB", &available); n == 1 && err == nil {
			break
		}
	}
	return enough(sizes, available<<10)
}

func enough(sizes []uint64, available uint64) (int64, error) {
	total := uint64(room)
	for _, s := range sizes {
		total += (s + 4095) &^ 4095
	}
	if total > available/2 {
		return 0, fmt.Errorf("the files that are asked for take %d MB of memory, and %d MB are available, of which half may be taken: measure smaller files (--sizes)", total/1e6, available/1e6)
	}
	return int64(total), nil
}

// fill writes a file of random bytes, each page of which is in memory then.
func fill(path string, size uint64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // it never fails
	_, err = io.CopyN(f, mrand.NewChaCha8(seed), int64(size))
	return errors.Join(err, f.Close())
}

// resident is the part of a file that is in memory, 0 to 1.
func resident(path string) (float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 1, err
	}
	page := int64(os.Getpagesize())
	pages := (info.Size() + page - 1) / page
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, fmt.Errorf("mapping %s: %w", path, err)
	}
	defer unix.Munmap(b) //nolint:errcheck // it was mapped
	in := make([]byte, pages)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0]))); errno != 0 {
		return 0, fmt.Errorf("looking how much of %s is in memory (mincore): %w", path, errno)
	}
	n := 0
	for _, p := range in {
		n += int(p & 1)
	}
	return float64(n) / float64(pages), nil
}

// Cold tells that less than all of a file is in memory: whoever is asked for it reads a
// disk, or swap.
func (s *Server) Cold(size uint64) (bool, error) {
	r, err := resident(s.content(size))
	return r < 1, err
}
