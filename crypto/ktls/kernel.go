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

// Of include/uapi/linux/tls.h and include/linux/socket.h.
const (
	solTLS = 282

	tlsTx            = 1
	tlsRx            = 2
	tlsSetRecordType = 1
	tlsGetRecordType = 2
)

// handOver gives the socket the keys of both directions. After an error the
// connection is of no more use.
func handOver(raw syscall.RawConn, c cipher, send, receive *direction) error {
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
		if err = setKeys(fd, tlsTx, c, send); err != nil {
			err = keyError("sending", "setsockopt TLS_TX", err)
			return
		}
		if err = setKeys(fd, tlsRx, c, receive); err != nil {
			err = keyError("receiving", "setsockopt TLS_RX", err)
		}
	})
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

func keyError(direction, call string, err error) error {
	hint := ""
	if errors.Is(err, unix.ENOENT) {
		hint = " (the kernel finds no AES-GCM: run `modprobe gcm`)"
	}
	return fmt.Errorf("setting the keys for %s: %w%s", direction, os.NewSyscallError(call, err), hint)
}

// setKeys calls setsockopt itself because x/sys/unix takes such a value as a
// string only, which cannot be wiped.
func setKeys(fd uintptr, option uintptr, c cipher, d *direction) error {
	info := d.cryptoInfo(c)
	defer clear(info)
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, solTLS, option,
		uintptr(unsafe.Pointer(&info[0])), uintptr(len(info)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
