// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"
	_ "embed"
)

// published is made of the types by TestSchemaIsThatOfTheTypes, with NICWRIGHT_UPDATE=1.
//
//go:embed schema.json
var published []byte

// JSONSchema is the JSON Schema (draft 2020-12) of the document.
func JSONSchema() []byte { return bytes.Clone(published) }
