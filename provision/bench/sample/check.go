// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a document: what is beyond is not of this tool's making.
const (
	maxLine       = 64 << 10 // bytes
	maxSamples    = 200_000
	maxText       = 400 // bytes of a text
	maxConditions = 64
	maxCounters   = 256
	maxSize       = 1 << 50 // bytes
	maxSeconds    = 1e7
	maxCount      = 1 << 53 // what JSON numbers hold exactly
	maxNumber     = 1 << 20 // clients, turns, SAs
)

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,79}$`)

// problems gathers what is wrong, so that all of a line is said at once.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (p *problems) text(field, s string) {
	switch {
	case len(s) > maxText:
		p.add("%s: %d bytes, at most %d are allowed", field, len(s), maxText)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }):
		p.add("%s: %q has characters that cannot be printed", field, s)
	}
}

func (p *problems) seconds(field string, v float64) {
	if !(v >= 0 && v <= maxSeconds) { // so also NaN
		p.add("%s: %v is not in 0..%v seconds", field, v, float64(maxSeconds))
	}
}

func (p *problems) number(field string, v int) {
	if v < 0 || v > maxNumber {
		p.add("%s: %d is not in 0..%d", field, v, maxNumber)
	}
}

func (p *problems) count(field string, v, most uint64) {
	if v > most {
		p.add("%s: %d is more than %d", field, v, most)
	}
}

func (p *problems) word(field, s string, allowed ...string) {
	if !slices.Contains(allowed, s) {
		p.add("%s: %q is not one of %q", field, s, allowed)
	}
}

// Check says what is wrong in a header. It is an error for each thing that is.
func (h *Header) Check() error {
	var p problems
	if h.Schema != Schema {
		// Nothing else can be told of a version that is not known.
		return fmt.Errorf("schema: %q is not known here: this nicwright reads %s; use the one that made the file", h.Schema, Schema)
	}
	p.word("clock", string(h.Clock), string(Wall), string(Instructions), string(Published))
	if h.Tool == "" {
		p.add("tool: says nothing")
	}
	p.text("tool", h.Tool)
	p.text("title", h.Title)
	p.text("path", h.Path)
	hosts := map[string]*Host{"server": &h.Server, "client": h.Client}
	for _, side := range []string{"server", "client"} {
		if host := hosts[side]; host != nil {
			p.text(side+".name", host.Name)
			p.text(side+".kernel", host.Kernel)
			p.text(side+".processor", host.Processor)
			p.number(side+".processors", host.Processors)
			p.count(side+".memory", host.Memory, maxCount)
		}
	}
	if c := h.Card; c != nil {
		for field, text := range map[string]string{"model": c.Model, "address": c.Address, "netdev": c.Netdev, "driver": c.Driver, "firmware": c.Firmware} {
			p.text("card."+field, text)
		}
		p.count("card.tls_contexts", c.TLSContexts, maxCount)
		p.count("card.speed", c.Speed, maxCount)
		p.number("card.ports", c.Ports)
	}
	if len(h.Conditions) > maxConditions {
		p.add("conditions: %d of them, at most %d are allowed", len(h.Conditions), maxConditions)
	}
	for k, v := range h.Conditions {
		p.text("conditions", k)
		p.text("conditions."+k, v)
	}
	return errors.Join(p...)
}

// Check says what is wrong in a sample. It is an error for each thing that is.
func (s *Sample) Check() error {
	var p problems
	s.Cell.check(&p, s.Bench)
	if s.Turn < 1 || s.Turn > maxNumber {
		p.add("turn: %d is not in 1..%d", s.Turn, maxNumber)
	}
	if s.Order < 0 || s.Order > maxSamples {
		p.add("order: %d is not in 0..%d", s.Order, maxSamples)
	}
	if s.Control < 0 || s.Control > 2 {
		p.add("control: %d is not 0, 1 or 2", s.Control)
	}
	p.seconds("seconds", s.Seconds)
	for field, v := range map[string]uint64{
		"bytes": s.Bytes, "operations": s.Operations, "connections": s.Connections, "missed": s.Missed,
		"errors": s.Errors, "segments": s.Segments, "retransmits": s.Retransmits,
	} {
		p.count(field, v, maxCount)
	}
	for field, v := range map[string]float64{"server": s.CPU.Server, "client": s.CPU.Client, "busy": s.CPU.Busy, "idle": s.CPU.Idle} {
		p.seconds("cpu."+field, v)
	}
	if len(s.Counters) > maxCounters {
		p.add("counters: %d of them, at most %d are allowed", len(s.Counters), maxCounters)
	}
	for k := range s.Counters {
		if !name.MatchString(k) {
			p.add("counters: %q is not the name of a counter", k)
		}
	}
	for phase, l := range s.Latency {
		p.word("latency", string(phase), string(Connect), string(Handshake), string(FirstByte), string(Whole), string(SetUp))
		l.check(&p, "latency."+string(phase))
	}
	p.word("gate.verdict", string(s.Gate.Verdict), string(AsSaid), string(Finding))
	p.text("gate.words", s.Gate.Words)
	if s.Gate.Verdict == Finding && s.Gate.Words == "" {
		p.add("gate.words: a finding says nothing")
	}
	if !(s.Gate.Software >= 0 && s.Gate.Software <= 1) {
		p.add("gate.software: %v is not in 0..1", s.Gate.Software)
	}
	for _, f := range s.Flags {
		p.word("flags", string(f), string(ClientBound), string(ColdCache), string(Noisy), string(Short))
	}
	return errors.Join(p...)
}

func (l Percentiles) check(p *problems, field string) {
	p.count(field+".count", l.Count, maxCount)
	p.seconds(field+".mean", l.Mean)
	before := 0.0
	for _, v := range []float64{l.P50, l.P90, l.P99, l.P999, l.Max} {
		p.seconds(field, v)
		if v < before {
			p.add("%s: a higher percentile is less than a lower one (%v, %v)", field, before, v)
		}
		before = v
	}
}

func (c *Cell) check(p *problems, b Bench) {
	allowed, known := modes[b]
	if !known {
		p.word("bench", string(b), string(HTTPS), string(NFS), string(IPsec))
		return
	}
	if !slices.Contains(allowed, c.Mode) {
		p.add("mode: %q is not one of %q, which %s has", c.Mode, allowed, b)
	}
	p.text("variant", c.Variant)
	p.word("tls", c.TLS, "", "1.2", "1.3")
	p.text("cipher", c.Cipher)
	if b == HTTPS && (c.Mode == Plain) != (c.TLS == "") {
		p.add("tls: %q in mode %s", c.TLS, c.Mode)
	}
	if c.Size == 0 || c.Size > maxSize {
		p.add("size: %d is not in 1..%d bytes", c.Size, uint64(maxSize))
	}
	if c.Clients < 1 || c.Clients > maxNumber {
		p.add("clients: %d is not in 1..%d", c.Clients, maxNumber)
	}
	if !(c.Rate >= 0 && c.Rate <= math.MaxUint32) {
		p.add("rate: %v is not in 0..%d a second", c.Rate, uint32(math.MaxUint32))
	}
	p.number("depth", c.Depth)
	p.number("nconnect", c.NConnect)
	p.number("sas", c.SAs)
	p.number("mtu", c.MTU)
	p.count("block", c.Block, maxSize)
	for _, f := range []struct {
		field string
		set   bool
		of    []Bench
	}{
		{"tls", c.TLS != "", []Bench{HTTPS, NFS}},
		{"cipher", c.Cipher != "", []Bench{HTTPS, NFS, IPsec}},
		{"keepalive", c.KeepAlive, []Bench{HTTPS}},
		{"resumption", c.Resumption, []Bench{HTTPS}},
		{"sendfile", c.Sendfile, []Bench{HTTPS}},
		{"rate", c.Rate != 0, []Bench{HTTPS}},
		{"op", c.Op != "", []Bench{NFS}},
		{"pattern", c.Pattern != "", []Bench{NFS}},
		{"block", c.Block != 0, []Bench{NFS}},
		{"depth", c.Depth != 0, []Bench{NFS}},
		{"nconnect", c.NConnect != 0, []Bench{NFS}},
		{"security", c.Security != "", []Bench{NFS}},
		{"encapsulation", c.Encapsulation != "", []Bench{NFS, IPsec}},
		{"sas", c.SAs != 0, []Bench{NFS, IPsec}},
	} {
		if f.set && !slices.Contains(f.of, b) {
			p.add("%s: %s has no such thing", f.field, b)
		}
	}
	if b == NFS {
		p.word("op", c.Op, "read", "write")
		p.word("pattern", c.Pattern, "sequential", "random")
		p.word("security", c.Security, "none", "tls", "mtls", "ipsec")
	}
	p.word("encapsulation", c.Encapsulation, "", "transport", "tunnel")
}
