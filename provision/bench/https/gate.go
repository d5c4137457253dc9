// SPDX-License-Identifier: Apache-2.0

package https

import (
	"fmt"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/provision/bench/load"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// gate says by counters whether the path was the one that the cell names. moved is how
// far each counter moved in all of the run, and all is what the client did in it.
func gate(c sample.Cell, moved map[string]int64, all load.Total) sample.Gate {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	// What was cut off or failed may have come so far or not.
	sessions, unsure := int64(all.Sessions), int64(all.Cut+all.Errors)
	software := 0.0
	tx, rx := switches(c.Mode)
	for _, d := range []struct {
		dir  string
		card bool
	}{{"Tx", tx}, {"Rx", rx}} {
		device, soft := moved["server.Tls"+d.dir+"Device"], moved["server.Tls"+d.dir+"Sw"]
		switch {
		case c.Mode == sample.Plain || c.Mode == sample.User:
			if device+soft > 0 {
				say("Tls%[1]sDevice moved by %[2]d, Tls%[1]sSw by %[3]d: the kernel was given sessions that it should not have", d.dir, device, soft)
			}
		case device+soft == 0 && sessions > unsure:
			if d.dir == "Tx" || rx {
				say("none of %d sessions came to the kernel (%s): the OpenSSL of this nginx may be built without enable-ktls, or the kernel has no tls module", sessions, d.dir)
			}
		case !d.card && device > 0:
			say("Tls%sDevice moved by %d: the card did what the kernel should have done", d.dir, device)
		case !d.card && d.dir == "Tx" && soft < sessions-unsure:
			say("TlsTxSw moved by %d, and there were %d sessions", soft, sessions)
		case d.card && (soft > 0 || device < sessions-unsure):
			share := float64(soft) / float64(max(device+soft, 1))
			software = max(software, share)
			say("Tls%[1]sSw moved by %[2]d, Tls%[1]sDevice by %[3]d, of %[4]d sessions: %.0[5]f%% software%[6]s", d.dir, soft, device, sessions, 100*share, because(c))
		}
	}
	if tx && len(words) == 0 {
		if made := moved["server.tx_tls_encrypted_bytes"]; made < int64(all.Bytes) {
			say("the card's tx_tls_encrypted_bytes moved by %d, and %d bytes arrived: the kernel encrypted the rest", made, all.Bytes)
		}
	}
	if c.Resumption && all.Resumed*2 < all.Sessions {
		say("%d of %d sessions were resumed", all.Resumed, all.Sessions)
	}
	if all.Errors*100 > all.Requests {
		say("%d requests failed, %d were answered: %s", all.Errors, all.Requests, all.Error)
	}
	return rounds.Gate(words, software)
}

// because is what is known to be the reason for software.
func because(c sample.Cell) string {
	if why := (crypto.KTLSCell{Version: "TLSv" + c.TLS, Cipher: c.Cipher}).Never(); why != "" {
		return ": " + why
	}
	return ""
}
