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
}

// VerifySpec says which proofs `nicwright verify` runs and what their verdicts
// have to be.
type VerifySpec struct {
	// KTLS is the proof of kernel TLS between two VFs.
	KTLS *KTLSSpec `yaml:"ktls,omitempty" json:"ktls,omitempty"`
}

// KTLSSpec is the proof of kernel TLS between two VFs.
type KTLSSpec struct {
	// Require is the verdict without which verify fails: offloaded or software; unset: any.
	Require *string `yaml:"require,omitempty" json:"require,omitempty" jsonschema:"enum=offloaded,enum=software"`
	// Bytes to transfer, 1..1 TiB; unset: 64 MiB.
	Bytes *int64 `yaml:"bytes,omitempty" json:"bytes,omitempty" jsonschema:"minimum=1,maximum=1099511627776"`
	// Ciphers to prove, one transfer each; unset: AES-128-GCM.
	Ciphers []string `yaml:"ciphers,omitempty" json:"ciphers,omitempty" jsonschema:"enum=AES-128-GCM,enum=AES-256-GCM,uniqueItems=true"`
	// From is the VF that sends, CARD/PORT/vfN; resolved, pci.Function.String(). From and To
	// unset: the first two free VFs of the profile that share a VLAN.
	From string `yaml:"from,omitempty" json:"from,omitempty"`
	// To is the VF that receives, written as From is.
	To string `yaml:"to,omitempty" json:"to,omitempty"`
}
