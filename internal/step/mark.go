// SPDX-License-Identifier: Apache-2.0

package step

import "strings"

// AttrMark is the attribute of what says whose a resource is.
const AttrMark = "mark"

// AliasMark begins the IFLA_IFALIAS of the netdevs that nicwright made, and alone deletes:
// nicwright:PROFILE. Older versions wrote it alone.
const AliasMark = "nicwright"

// NoOwner is the owner of what was marked by a version whose marks named no profile.
const NoOwner = "nicwright"

// OrNoOwner is the owner of what is made for nobody in particular.
func OrNoOwner(owner string) string {
	if owner == "" {
		return NoOwner
	}
	return owner
}

// AliasOf is the alias that marks a netdev as an owner's.
func AliasOf(owner string) string {
	if owner == NoOwner {
		return AliasMark
	}
	return AliasMark + ":" + owner
}

// OwnerOf is the owner that an alias names, "" for none.
func OwnerOf(alias string) string {
	if alias == AliasMark {
		return NoOwner
	}
	owner, ok := strings.CutPrefix(alias, AliasMark+":")
	if !ok {
		return ""
	}
	return owner
}

// MarkText is an alias as the value of a step, absent where there is none.
func MarkText(alias string) Value {
	if alias == "" {
		return Absent()
	}
	return Text(alias)
}
