// SPDX-License-Identifier: Apache-2.0

package style

import (
	_ "embed"
	"html/template"
	"strings"
)

//go:embed page.css
var pageCSS string

// Page is what the pages of HTML begin their style with: colours, light and dark, and
// the page's own measures.
func Page() template.CSS {
	_, css, _ := strings.Cut(pageCSS, "\n") // the first line is the licence
	return template.CSS(css)
}
