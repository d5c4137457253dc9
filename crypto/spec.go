// SPDX-License-Identifier: Apache-2.0

// Package crypto owns the offload switches of a netdev (TLS, ESP and what they
// depend on): their YAML vocabulary, what the kernel says of them, the
// difference, and the change. The proofs that they work are below it, in ktls
// and ipsec.
package crypto

// Spec is how the ethtool features of one function's netdev are to be. The keys
// are the kernel's own names of them (net/ethtool/common.c,
// netdev_features_strings). A field that is not set is left alone.
type Spec struct {
	TLSTx    *bool `yaml:"tls-hw-tx-offload,omitempty" json:"tls-hw-tx-offload,omitempty" jsonschema:"description=encrypt TLS 1.2 records of kTLS sockets in the card"`
	TLSRx    *bool `yaml:"tls-hw-rx-offload,omitempty" json:"tls-hw-rx-offload,omitempty" jsonschema:"description=decrypt TLS 1.2 records of kTLS sockets in the card"`
	ESP      *bool `yaml:"esp-hw-offload,omitempty" json:"esp-hw-offload,omitempty" jsonschema:"description=require IPsec ESP offload (fixed on in mlx5: cannot be set)"`
	ESPTxSeg *bool `yaml:"tx-esp-segmentation,omitempty" json:"tx-esp-segmentation,omitempty" jsonschema:"description=segment ESP packets in the card"`
	TC       *bool `yaml:"hw-tc-offload,omitempty" json:"hw-tc-offload,omitempty" jsonschema:"description=accept TC flower rules (what Open vSwitch offloads with) into the card"`

	// Before is what the switches were before, of those that nobody asks for: they are put back where they
	// were lost, and are no reason to refuse a plan (Fill).
	Before *Spec `yaml:"-" json:"before,omitempty" jsonschema:"-"`
}

// IsZero tells whether nothing is set.
func (s Spec) IsZero() bool { return s == Spec{} }

// KTLSSpec is the proof of kernel TLS: one transfer for each version, cipher,
// direction and pair of VFs.
type KTLSSpec struct {
	// Require is the verdict without which verify fails, offloaded or software; unset: any. It is asked of
	// all cells but, where versions or ciphers are not set, those that no kernel offloads (rule NW106).
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=offloaded,enum=software"`
	// Bytes of each transfer, 1..1 TiB; unset: 16 MiB.
	Bytes *int64 `yaml:"bytes,omitempty" json:"bytes,omitempty" jsonschema:"minimum=1,maximum=1099511627776"`
	// Versions of TLS; unset: both.
	Versions []string `yaml:"versions,omitempty" json:"versions,omitempty" jsonschema:"enum=TLSv1.2,enum=TLSv1.3,uniqueItems=true"`
	// Ciphers; unset: all.
	Ciphers []string `yaml:"ciphers,omitempty" json:"ciphers,omitempty" jsonschema:"enum=AES-128-GCM,enum=AES-256-GCM,enum=ChaCha20-Poly1305,uniqueItems=true"`
	// Directions: tx judges the card that encrypts, rx the one that decrypts; unset: both.
	Directions []string `yaml:"directions,omitempty" json:"directions,omitempty" jsonschema:"enum=tx,enum=rx,uniqueItems=true"`
}

// IPsecSpec is the proof of IPsec (ESP, AES-GCM): one transfer for each offload,
// mode, cipher, IP version, direction and pair of VFs.
type IPsecSpec struct {
	// Require is the verdict without which verify fails, offloaded or software; unset: any.
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=offloaded,enum=software"`
	// Bytes of each transfer, 1..1 TiB; unset: 16 MiB.
	Bytes *int64 `yaml:"bytes,omitempty" json:"bytes,omitempty" jsonschema:"minimum=1,maximum=1099511627776"`
	// Offloads: crypto leaves headers and policies to the kernel, packet gives the card all; unset: both.
	Offloads []string `yaml:"offloads,omitempty" json:"offloads,omitempty" jsonschema:"enum=crypto,enum=packet,uniqueItems=true"`
	// Modes; unset: both.
	Modes []string `yaml:"modes,omitempty" json:"modes,omitempty" jsonschema:"enum=transport,enum=tunnel,uniqueItems=true"`
	// Ciphers; unset: AES-128-GCM.
	Ciphers []string `yaml:"ciphers,omitempty" json:"ciphers,omitempty" jsonschema:"enum=AES-128-GCM,enum=AES-256-GCM,uniqueItems=true"`
	// IP versions; unset: ipv4.
	IP []string `yaml:"ip,omitempty" json:"ip,omitempty" jsonschema:"enum=ipv4,enum=ipv6,uniqueItems=true"`
	// Directions: tx judges the card that encrypts, rx the one that decrypts; unset: both.
	Directions []string `yaml:"directions,omitempty" json:"directions,omitempty" jsonschema:"enum=tx,enum=rx,uniqueItems=true"`
}
