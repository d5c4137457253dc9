// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"bytes"
	_ "embed"
)

// published is made of the types by TestSchemaIsThatOfTheTypes, with -update.
//
//go:embed schema.json
var published []byte

// JSONSchema is the JSON Schema (draft 2020-12) of a line of the document: of the header, or of a sample.
func JSONSchema() []byte { return bytes.Clone(published) }
