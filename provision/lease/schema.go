// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"bytes"
	_ "embed"
)

// published is made of Answer and List by TestSchemaIsThatOfTheTypes, with NICWRIGHT_UPDATE=1.
//
//go:embed schema.json
var published []byte

// JSONSchema is the JSON Schema (draft 2020-12) of what vf lease and vf list print.
func JSONSchema() []byte { return bytes.Clone(published) }
