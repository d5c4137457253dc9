// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"
)

// Error is what a switch answered to a message (OFPT_ERROR, 7.5.4).
type Error struct{ Type, Code uint16 }

// errorTypes are the types that may come of what is asked here, without "OFPET_".
var errorTypes = map[uint16]string{
	0: "HELLO_FAILED", 1: "BAD_REQUEST", 2: "BAD_ACTION", 3: "BAD_INSTRUCTION", 4: "BAD_MATCH", 5: "FLOW_MOD_FAILED",
	13: "TABLE_FEATURES_FAILED", 17: "BUNDLE_FAILED", 0xffff: "EXPERIMENTER",
}

// errorCodes are the names of codes, without what all of a type begin with.
var errorCodes = map[Error]string{
	{0, 0}: "INCOMPATIBLE", {1, 5}: "EPERM",
	{2, 4}: "BAD_OUT_PORT", {2, 5}: "BAD_ARGUMENT", {2, 10}: "MATCH_INCONSISTENT", {2, 13}: "BAD_SET_TYPE", {2, 15}: "BAD_SET_ARGUMENT",
	{3, 0}: "UNKNOWN_INST", {3, 2}: "BAD_TABLE_ID",
	{4, 5}: "BAD_WILDCARDS", {4, 6}: "BAD_FIELD", {4, 7}: "BAD_VALUE", {4, 8}: "BAD_MASK", {4, 9}: "BAD_PREREQ", {4, 10}: "DUP_FIELD",
	{5, 1}: "TABLE_FULL", {5, 2}: "BAD_TABLE_ID", {5, 3}: "OVERLAP", {5, 4}: "EPERM",
	{17, 8}: "MSG_UNSUP", {17, 9}: "MSG_CONFLICT", {17, 12}: "MSG_FAILED", {17, 13}: "TIMEOUT",
}

func (e Error) Error() string {
	t, ok := errorTypes[e.Type]
	if !ok {
		t = "error type"
	}
	if c, ok := errorCodes[e]; ok {
		return fmt.Sprintf("the bridge answers %s %s (OFPT_ERROR %d, %d)", t, c, e.Type, e.Code)
	}
	return fmt.Sprintf("the bridge answers %s (OFPT_ERROR %d, %d)", t, e.Type, e.Code)
}

func parseError(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("the bridge answers an error of %d bytes", len(b))
	}
	return Error{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
}
