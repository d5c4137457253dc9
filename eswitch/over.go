// SPDX-License-Identifier: Apache-2.0

package eswitch

// Over is what f says of a VF, and where it leaves something alone what under says.
func (f FunctionSpec) Over(under FunctionSpec) FunctionSpec {
	for _, a := range functionAttributes() {
		fill(a.field(&f), a.field(&under))
	}
	return f
}
