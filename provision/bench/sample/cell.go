// SPDX-License-Identifier: Apache-2.0

package sample

// Bench is what kind of traffic is measured.
type Bench string

// The benches.
const (
	HTTPS Bench = "https"
	NFS   Bench = "nfs"
	IPsec Bench = "ipsec"
)

// Mode is who does the cryptography, as the cell asks for it. The gate says whether it was so.
type Mode string

// The modes of https and nfs (who makes, Tx, and opens, Rx, the server's records), and of nfs over IPsec and ipsec.
const (
	Plain     Mode = "plain"     // nobody
	User      Mode = "user"      // the program (https)
	Kernel    Mode = "kernel"    // kernel TLS in software
	CardTx    Mode = "card-tx"   // kernel TLS, what is sent by the card
	CardRx    Mode = "card-rx"   // kernel TLS, what is received by the card
	CardTxRx  Mode = "card-txrx" // both
	IPsecSoft Mode = "software"  // ESP by the kernel
	IPsecCard Mode = "crypto"    // ESP whose cipher is the card's (crypto offload)
	IPsecFull Mode = "packet"    // all of ESP is the card's (packet offload)
)

// modes are those that a bench has.
var modes = map[Bench][]Mode{
	HTTPS: {Plain, User, Kernel, CardTx, CardRx, CardTxRx},
	NFS:   {Plain, Kernel, CardTx, CardRx, CardTxRx, IPsecSoft, IPsecCard, IPsecFull},
	IPsec: {Plain, IPsecSoft, IPsecCard, IPsecFull},
}

// Cell is one point of the matrix: two samples of equal cells measured the same thing.
// A field that its bench does not have is zero.
type Cell struct {
	Mode Mode `json:"mode"`
	// Variant is what else differs in this run, in words ("set-up 5 s"); it goes into the label of the line.
	Variant string `json:"variant,omitempty"`

	// https, and nfs over TLS.
	TLS    string `json:"tls,omitempty"`    // 1.2 or 1.3; none in mode plain
	Cipher string `json:"cipher,omitempty"` // as verify.ktls.ciphers has it: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305

	// Size is bytes of a file (https), of the file that is read or written (nfs), of a transfer (ipsec).
	Size    uint64 `json:"size"`
	Clients int    `json:"clients"` // at one time: connections (https), jobs (nfs), streams (ipsec)

	// https.
	KeepAlive  bool    `json:"keepalive,omitempty"`  // a connection carries more than one request
	Resumption bool    `json:"resumption,omitempty"` // of TLS sessions
	Sendfile   bool    `json:"sendfile,omitempty"`
	Rate       float64 `json:"rate,omitempty"` // requests a second that are begun, whatever is answered (open loop); 0: closed loop

	// nfs.
	Op       string `json:"op,omitempty"`      // read or write
	Pattern  string `json:"pattern,omitempty"` // sequential or random
	Block    uint64 `json:"block,omitempty"`   // bytes
	Depth    int    `json:"depth,omitempty"`   // requests on their way, a job
	NConnect int    `json:"nconnect,omitempty"`
	Security string `json:"security,omitempty"` // none, tls, mtls, ipsec

	// ipsec, and nfs over IPsec.
	Encapsulation string `json:"encapsulation,omitempty"` // transport or tunnel
	SAs           int    `json:"sas,omitempty"`           // pairs of security associations
	MTU           int    `json:"mtu,omitempty"`           // bytes
}
