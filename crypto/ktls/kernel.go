// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNoKernelTLS is returned when the kernel has no TLS: it was built without
// CONFIG_TLS, or the module tls is not loaded and may not be by this process.
var ErrNoKernelTLS = errors.New("this kernel has no TLS (CONFIG_TLS, module tls): run `modprobe tls`, or boot a kernel that has it")

// ErrNoCipher is returned when the kernel does not find the cipher: its module is
// not loaded and may not be by this process.
var ErrNoCipher = errors.New("the kernel does not find the cipher")

// Of include/uapi/linux/tls.h and include/linux/socket.h.
const (
	solTLS = 282

	tlsTx            = 1
	tlsRx            = 2
	tlsTxZerocopyRO  = 3
	tlsRxExpectNoPad = 4

	tlsSetRecordType = 1
	tlsGetRecordType = 2
)

// handOver gives the socket the keys of both directions, or of the one that is
// not nil. After an error the connection is of no more use.
func handOver(raw syscall.RawConn, su suite, send, receive *direction) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		if err = unix.SetsockoptString(int(fd), unix.SOL_TCP, unix.TCP_ULP, "tls"); err != nil {
			if errors.Is(err, unix.ENOENT) {
				err = ErrNoKernelTLS
				return
			}
			err = fmt.Errorf("setting its upper layer protocol to tls: %w", os.NewSyscallError("setsockopt TCP_ULP", err))
			return
		}
		if send != nil {
			if err = setKeys(fd, tlsTx, su, send); err != nil {
				err = keyError(su, "sending", "setsockopt TLS_TX", err)
				return
			}
		}
		if receive != nil {
			if err = setKeys(fd, tlsRx, su, receive); err != nil {
				err = keyError(su, "receiving", "setsockopt TLS_RX", err)
			}
		}
	})
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

func keyError(su suite, direction, call string, err error) error {
	err, hint := os.NewSyscallError(call, err), ""
	switch {
	case errors.Is(err, unix.ENOENT):
		module := "gcm"
		if su.kernel == chacha.kernel {
			module = "chacha20poly1305"
		}
		err, hint = fmt.Errorf("%w: %w", ErrNoCipher, err), " (run `modprobe "+module+"`)"
	case errors.Is(err, unix.EINVAL):
		hint = " (an older kernel: TLS 1.3 needs Linux 5.1, ChaCha20-Poly1305 5.11)"
	}
	return fmt.Errorf("setting the keys for %s: %w%s", direction, err, hint)
}

// setKeys calls setsockopt itself because x/sys/unix takes such a value as a
// string only, which cannot be wiped.
func setKeys(fd uintptr, option uintptr, su suite, d *direction) error {
	info := d.cryptoInfo(su)
	defer clear(info)
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, solTLS, option,
		uintptr(unsafe.Pointer(&info[0])), uintptr(len(info)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
